//! Scripts: the same commands, called by Lua, with results and errors of every kind.

use replab::lua::digest;

use super::same::{is_ordered, word};
use super::speaker::{Line, Speaker};

/// What a script returns: `$r` is a reply, `$v` a text, `$n` a number, `$f` a format of `struct`.
// An error without a text ends the real server.
const RESULTS: &[&str] = &[
    "$r",
    "$r",
    "$r",
    "{$r, $r}",
    "{$v, $r, $n}",
    "type($r)",
    "nil",
    "true",
    "false",
    "{true, false}",
    "{1, nil, 3}",
    "{$n, {$v, {$n}}}",
    "$n",
    "-2^53",
    "$v",
    "{ok=$v}",
    "{err=$v}",
    "{err='ERR a\\nb'}",
    "{ok='a', err='b'}",
    "{err={}}",
    "{double=$n}",
    "{double=$v}",
    "{map={a=$v}}",
    "{map={[$n]=$r}}",
    "{map={}}",
    "{set={[$v]=true}}",
    "{set={}}",
    "{big_number='1234567890123456789012345678901234567890'}",
    "{verbatim_string={format='txt', string=$v}}",
    "redis.status_reply($v)",
    "redis.error_reply($v)",
    "redis.error_reply('-MY error')",
    "redis.error_reply()",
    "redis.status_reply(1, 2)",
    "redis.sha1hex($v)",
    "redis.REDIS_VERSION",
    "redis.REDIS_VERSION_NUM",
    "redis.replicate_commands()",
    "redis.set_repl(redis.REPL_ALL)",
    "redis.set_repl($n)",
    "redis.acl_check_cmd('get', 'k')",
    "redis.acl_check_cmd($v)",
    "redis.setresp($n)",
    "redis.setresp()",
    "redis.log($n, $v)",
    "redis.log(redis.LOG_DEBUG)",
    "redis.call()",
    "redis.call($v)",
    "redis.pcall($v, $n)",
    "redis.pcall($v, {})",
    "redis.pcall('get')",
    "redis.call('eval', 'return 1', 0)",
    "redis.pcall('multi')",
    "redis.nosuch()",
    "{pcall(redis.call, 'get')}",
    "{pcall(redis.call, $v)}",
    "cjson.encode($r)",
    "cjson.encode({$v, $n})",
    "cjson.encode({a=$v})",
    "cjson.encode({[$n]=$v})",
    "cjson.encode({[11]=1})",
    "cjson.encode({[100]=1})",
    "cjson.encode(nil)",
    "cjson.encode()",
    "cjson.encode(print)",
    "cjson.encode(0/0)",
    "cjson.decode(cjson.encode($r))",
    "{pcall(cjson.decode, $v)}",
    "cjson.decode('[1,2.5,\"a\",null,true,{\"a\":[]}]')",
    "cjson.decode('[1,')",
    "cjson.decode('{\"a\" 1}')",
    "cjson.decode('\"\\\\ud800\"')",
    "cjson.decode('\"\\\\u00e9\\\\ud83d\\\\ude00\"')",
    "tostring(cjson.decode('null') == cjson.null)",
    "cmsgpack.pack($r)",
    "cmsgpack.pack($v, $n)",
    "cmsgpack.pack()",
    "cmsgpack.pack({$n, [5]=$v})",
    "{cmsgpack.unpack(cmsgpack.pack($r, $v, $n))}",
    "{cmsgpack.unpack_one(cmsgpack.pack($v, $n))}",
    "{cmsgpack.unpack_limit(cmsgpack.pack($v, $n, $v), 2, 0)}",
    "{pcall(cmsgpack.unpack, $v)}",
    "struct.pack($f, $n, $n)",
    "struct.pack($f, $v)",
    "{struct.unpack($f, struct.pack($f, $n, $n))}",
    "{pcall(struct.unpack, $f, $v)}",
    "struct.size($f)",
    "bit.band($n, $n)",
    "bit.bor($n, $n, $n)",
    "bit.bxor($n, $v)",
    "bit.bnot($n)",
    "bit.tobit($n)",
    "bit.tohex($n, $n)",
    "bit.lshift($n, $n)",
    "bit.rshift($n, $n)",
    "bit.arshift($n, $n)",
    "bit.rol($n, $n)",
    "bit.ror($n, $n)",
    "bit.bswap($n)",
    "tostring($n)",
    "tonumber($v)",
    "tonumber($v, 16)",
    "{string.byte($v, 1, -1)}",
    "string.format('%s|%d|%g|%q|%x|%5.1f|%c', $v, $n, $n, $v, $n, $n, 65)",
    "string.rep($v, 3)",
    "{string.find($v, '[a-f]+')}",
    "string.gsub($v, '%w', '%0%0')",
    "$v + 1",
    "$v .. $n",
    "$n % 7",
    "#$v",
    "$v < $v",
    "$v < $n",
    "math.random(100)",
    "math.floor($n)",
    "{math.random(), math.random(5)}",
    "table.concat({$v, $n, $v}, ',')",
    "select('#', $v, $n)",
    "{unpack({$v, $n})}",
    "{pcall(function() x = 1 end)}",
    "{pcall(function() return undefined_name end)}",
    "{pcall(error, $v)}",
    "{pcall(error)}",
    "error($v)",
    "error({err=$v .. ''})",
    "error({err='-MY error'})",
    "{err='-MY error'}",
    "error()",
    "undefined_name",
    "({}).x.y",
    "nil .. ''",
    "#KEYS + #ARGV",
    "KEYS",
    "ARGV",
    "loadstring('return ' .. $n)()",
    "loadstring('return')",
    "print",
    "os.time",
    "{type(os.clock()), os.time}",
    "setmetatable({}, {__index=function() return $n end}).x",
    "rawget(_G, 'x')",
    "(rawset(redis, 'x', 1))",
    "(function() redis = 1 end)()",
];

const NUMBERS: &[&str] = &[
    "0", "1", "2", "3", "-1", "-2", "7", "3.99", "-0.5", "255", "256", "65536", "-129", "1e10",
    "2^31", "2^32", "2^53", "1e15", "1e17", "1e300", "(1/0)", "(0/0)", "(-1/0)", "31", "33",
];

const FORMATS: &[&str] = &[
    "b",
    "B",
    "<h",
    ">H",
    "i",
    "I2",
    ">i3",
    "l",
    "L",
    "T",
    "f",
    "d",
    "n",
    "s",
    "c0",
    "c3",
    "bc0",
    "!4bi",
    "!bd",
    "x",
    "i33",
    "q",
    "i0",
    "> i2 < i2",
    "",
];

/// What comes before all else.
const FIRST_LINES: &[&str] = &[
    "#!lua\n",
    "#!lua flags=no-writes\n",
    "#!lua flags=no-writes,allow-stale\n",
    "#!lua flags=allow-oom\n",
    "#!lua flags=no-cluster,allow-cross-slot-keys\n",
    "#!lua flags=nosuch\n",
    "#!lua nosuch=1\n",
    "#!lua flags=\n",
    "#!lua name=x flags=no-writes\n",
    "#!python\n",
    "#!\n",
    "#!lua",
    "local function broken(\n",
    "\u{1b}Lua",
];

impl Speaker<'_> {
    /// A script is run, loaded, or asked for.
    pub fn script(&mut self) -> Line {
        let known = self.scripts.len() as u64;
        match self.dice.below(16) {
            0 => vec![b"SCRIPT".to_vec(), b"LOAD".to_vec(), self.write().text],
            1 if known > 0 => {
                let [a, b] = [(), ()].map(|()| self.digest());
                vec![b"SCRIPT".to_vec(), b"EXISTS".to_vec(), a, b]
            }
            2 if self.dice.chance(1, 20) => vec![b"SCRIPT".to_vec(), b"FLUSH".to_vec()],
            2..5 if known > 0 => {
                let at = self.dice.below(known) as usize;
                let script = &self.scripts[at];
                let mut line = script.said(b"");
                line[1] = self.digest();
                line[0] = self.of(&["EVALSHA", "EVALSHA", "EVALSHA_RO"]);
                line
            }
            _ => {
                let script = self.write();
                let name = self.of(&["EVAL", "EVAL", "EVAL", "EVAL_RO"]);
                let line = script.said(&name);
                self.scripts.push(script);
                line
            }
        }
    }

    fn digest(&mut self) -> Vec<u8> {
        if self.dice.chance(1, 10) || self.scripts.is_empty() {
            return self.of(&["nosuch", "", "da39a3ee5e6b4b0d3255bfef95601890afd80709"]);
        }
        let at = self.dice.below(self.scripts.len() as u64) as usize;
        let digest = digest(&self.scripts[at].text);
        if self.dice.chance(1, 4) { digest.to_uppercase().into() } else { digest.into() }
    }

    fn write(&mut self) -> Script {
        let mut script = Script::default();
        if self.dice.chance(1, 8) {
            script.text.extend(self.of(FIRST_LINES));
        }
        if self.dice.chance(1, 4) {
            script.text.extend(b"redis.setresp(3)\n");
        }
        let calls = self.dice.below(3);
        for call in 0..calls {
            let function = self.of(&["call", "pcall"]);
            let words = self.command_for_script();
            let words: Vec<_> =
                words.into_iter().map(|word| self.literal(&mut script, word)).collect();
            script.text.extend(format!("local r{call} = redis.").bytes());
            script.text.extend([&function[..], b"(", &words.join(&b", "[..]), b")\n"].concat());
        }
        let result = self.result(&mut script, calls);
        script.text.extend([b"return ", &result[..]].concat());
        script
    }

    /// A command whose reply is the same wherever it is said.
    fn command_for_script(&mut self) -> Line {
        loop {
            let line = self.command();
            if is_ordered(&line) && !["EVAL", "MULTI"].contains(&word(&line, 0).as_str()) {
                return line;
            }
        }
    }

    fn result(&mut self, script: &mut Script, calls: u64) -> Vec<u8> {
        let template = *self.pick(RESULTS);
        let mut pieces = template.split('$');
        let mut text = pieces.next().unwrap_or_default().as_bytes().to_vec();
        for piece in pieces {
            let (kind, rest) = piece.split_at(1);
            text.extend(match kind {
                "r" if calls > 0 => format!("r{}", self.dice.below(calls)).into_bytes(),
                "n" => self.of(NUMBERS),
                "f" => [&b"'"[..], &self.of(FORMATS), b"'"].concat(),
                _ => {
                    let value = self.value();
                    self.literal(script, value)
                }
            });
            text.extend(rest.bytes());
        }
        text
    }

    /// How a script says a word: as it is, or as one that it is given.
    fn literal(&mut self, script: &mut Script, word: Vec<u8>) -> Vec<u8> {
        match self.dice.below(6) {
            0 => {
                script.keys.push(word);
                format!("KEYS[{}]", script.keys.len()).into_bytes()
            }
            1 => {
                script.args.push(word);
                format!("ARGV[{}]", script.args.len()).into_bytes()
            }
            2 if word.len() < 6
                && word.iter().all(u8::is_ascii_digit)
                && word.first() > Some(&b'0') =>
            {
                word
            }
            _ => {
                let escaped = word.iter().map(|byte| match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'_' | b':' | b'-' | b'.' => {
                        char::from(*byte).to_string()
                    }
                    byte => format!("\\{byte:03}"),
                });
                format!("'{}'", escaped.collect::<String>()).into_bytes()
            }
        }
    }
}

/// A script and what it is given.
#[derive(Debug, Default)]
pub struct Script {
    text: Vec<u8>,
    keys: Line,
    args: Line,
}

impl Script {
    fn said(&self, name: &[u8]) -> Line {
        let keys = self.keys.len().to_string().into_bytes();
        let fixed = [name.to_vec(), self.text.clone(), keys];
        fixed.iter().chain(&self.keys).chain(&self.args).cloned().collect()
    }
}
