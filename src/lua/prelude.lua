-- What scripts see of the world. Called once with the functions of the host; returns the table that
-- scripts have as their globals, and the function that runs one.
local host = ...

local error, next, pairs, pcall, rawget, rawset, setfenv, setmetatable, tostring, type, xpcall =
    error, next, pairs, pcall, rawget, rawset, setfenv, setmetatable, tostring, type, xpcall
local loadstring, load = loadstring, load
local READONLY = "Attempt to modify a readonly table"

-- Tables that scripts may read and not write: what they hold, by what stands for them.
local protected = setmetatable({}, { __mode = "k" })

local function protect(original)
    local proxy = setmetatable({}, {
        __index = original,
        __newindex = function() error(READONLY, 2) end,
        __metatable = {},
    })
    protected[proxy] = original
    return proxy
end

local function restrict(original, names)
    local kept = {}
    for name in names:gmatch("%S+") do kept[name] = original[name] end
    return kept
end

local function fail(text) error({ err = "ERR " .. text }) end

-- A function of the host raises what Lua cannot hold; this is what it meant.
local function meant(problem)
    if type(problem) ~= "userdata" then return problem end
    local raised = host.raised()
    if raised == nil then return problem end
    return raised
end

-- A caught error of redis.call is its text.
local function caught(ok, ...)
    if ok then return ok, ... end
    local problem = meant((...))
    if type(problem) == "table" and type(rawget(problem, "err")) == "string" then
        problem = problem.err
    end
    return false, problem
end

local redis = host.redis
for name, value in pairs({
    LOG_DEBUG = 0, LOG_VERBOSE = 1, LOG_NOTICE = 2, LOG_WARNING = 3,
    REPL_NONE = 0, REPL_AOF = 1, REPL_SLAVE = 2, REPL_REPLICA = 2, REPL_ALL = 3,
}) do
    redis[name] = value
end

local math = restrict(math, [[
    abs acos asin atan atan2 ceil cos cosh deg exp floor fmod frexp huge ldexp log log10 max min mod
    modf pi pow rad sin sinh sqrt tan tanh
]])
math.random = host.random
math.randomseed = host.randomseed

local globals = restrict(_G, [[
    _VERSION assert collectgarbage error gcinfo getmetatable ipairs rawequal select tonumber tostring
    type unpack
]])
globals.string = protect(string)
globals.table = protect(table)
globals.coroutine = protect(restrict(coroutine, "create running status wrap yield"))
protected[globals.coroutine].resume = function(...) return caught(coroutine.resume(...)) end
globals.math = protect(math)
globals.redis = protect(redis)
globals.cjson = protect(host.cjson)
globals.cmsgpack = protect(host.cmsgpack)
globals.struct = protect(host.struct)
globals.bit = protect(host.bit)
getmetatable("").__metatable = {}

setmetatable(globals, {
    __index = function(_, name)
        error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
    end,
})
local environment = protect(globals)
globals._G = environment

function globals.next(t, key) return next(protected[t] or t, key) end

function globals.pairs(t)
    local original = protected[t]
    if not original then return pairs(t) end
    return function(_, key) return next(original, key) end, t, nil
end

function globals.rawget(t, key) return rawget(protected[t] or t, key) end

function globals.rawset(t, key, value)
    if protected[t] then fail(READONLY) end
    return rawset(t, key, value)
end

function globals.setmetatable(t, meta)
    if protected[t] then fail(READONLY) end
    return setmetatable(t, meta)
end

-- What is compiled by a script sees what the script sees.
local function confined(f, problem)
    if not f then return f, problem end
    return setfenv(f, environment)
end

-- Bytecode is nothing but a wrong character, which it is behind a space.
function globals.loadstring(text, name)
    if type(text) == "string" and text:byte() == 27 then
        return confined(loadstring(" " .. text, name or text))
    end
    return confined(loadstring(text, name))
end

function globals.load(piece, ...)
    local first = true
    local function text()
        local part = piece()
        if first and type(part) == "string" and part:byte() == 27 then part = " " .. part end
        first = false
        return part
    end
    return confined(load(text, ...))
end

function globals.pcall(...) return caught(pcall(...)) end

function globals.xpcall(f, handler)
    return xpcall(f, function(problem) return handler(meant(problem)) end)
end

local function blame(problem)
    problem = meant(problem)
    if type(problem) ~= "table" then problem = { err = "ERR " .. tostring(problem) } end
    problem.source, problem.line = host.place()
    return problem
end

return globals,
    function(f) return setfenv(f, environment) end,
    function(f) return xpcall(f, blame) end
