//! Scripts and a node that answers every command with itself.

use bytes::Bytes;

use super::{Ask, Engine, Progress, Told};
use crate::resp::Reply;

/// What a script comes to, as it would be sent; commands are answered with their last word.
fn run(source: &str) -> String {
    let engine = Engine::new().unwrap();
    let script = match engine.compile(source.as_bytes()) {
        Ok(script) => script,
        Err(error) => return error,
    };
    let words = |words: &[&'static str]| words.iter().map(|w| Bytes::from(*w)).collect::<Vec<_>>();
    let mut run = engine.run("digest", &script, &words(&["k"]), &words(&["a", "b"])).unwrap();
    let mut told = Told::Done;
    let mut turns = 0;
    loop {
        told = match run.go_on(told) {
            Progress::Ended(Ok(value)) => {
                let mut reply = Reply::default();
                value.write(&mut reply);
                return String::from_utf8_lossy(reply.as_bytes()).replace("\r\n", " ");
            }
            Progress::Ended(Err(error)) => return error,
            Progress::Asks(Ask::Call { words, .. }) => Told::Reply(match words[0].as_ref() {
                b"fail" => Bytes::from("-WRONGTYPE no\r\n"),
                _ => [b"+", &words[words.len() - 1][..], b"\r\n"].concat().into(),
            }),
            Progress::Asks(Ask::Busy) => {
                turns += 1;
                if turns < 5 { Told::Done } else { Told::Kill }
            }
            Progress::Asks(_) => Told::Done,
        }
    }
}

#[test]
fn values_become_replies() {
    assert_eq!(
        run("return {1, 'a', 2.9, true, false, {3}, nil, 4}"),
        "*6 :1 $1 a :2 :1 $-1 *1 :3 "
    );
    assert_eq!(run("return {KEYS[1], ARGV[2], #ARGV}"), "*3 $1 k $1 b :2 ");
    assert_eq!(run("return redis.status_reply('fine')"), "+fine ");
    assert_eq!(run("return redis.error_reply('-MY problem')"), "-MY problem ");
    assert_eq!(run("return {double = 3.5}"), "$3 3.5 ");
    assert_eq!(run(""), "$-1 ");
}

#[test]
fn commands_are_asked_of_the_node() {
    assert_eq!(run("return redis.call('set', 'k', 1.5)"), "+1.5 ");
    assert_eq!(run("return redis.call('x').ok"), "$1 x ");
    assert_eq!(run("return redis.call('fail')"), "WRONGTYPE no script: digest, on @user_script:1.");
    assert_eq!(run("return redis.pcall('fail')"), "-WRONGTYPE no ");
    assert_eq!(run("return {pcall(redis.call, 'fail')}"), "*2 $-1 $12 WRONGTYPE no ");
    assert_eq!(
        run("\nredis.call()"),
        "ERR Please specify at least one argument for this redis lib call script: digest, on \
         @user_script:2."
    );
}

#[test]
fn errors_say_where_they_came_up() {
    let place = "script: digest, on @user_script:1.";
    assert_eq!(run("error('boo')"), format!("ERR user_script:1: boo {place}"));
    assert_eq!(run("error({err='MY boo'})"), format!("MY boo {place}"));
    let unknown = "Script attempted to access nonexistent global variable 'x'";
    assert_eq!(run("return x"), format!("ERR user_script:1: {unknown} {place}"));
    assert_eq!(
        run("retur 1"),
        "ERR Error compiling script (new function): user_script:1: '=' expected near '1'"
    );
}

#[test]
fn a_script_leaves_nothing_behind() {
    let place = "script: digest, on @user_script:1.";
    let readonly = "Attempt to modify a readonly table";
    for source in ["x = 1", "string.x = 1", "_G.x = 1", "redis.call = nil"] {
        assert_eq!(run(source), format!("ERR user_script:1: {readonly} {place}"), "{source}");
    }
    assert_eq!(run("rawset(_G, 'x', 1)"), format!("ERR {readonly} {place}"));
    assert_eq!(run("return #loadstring('return _G')() .. tostring(rawget(_G, 'os'))"), "$4 0nil ");
    assert_eq!(run("local n = 0 for _ in pairs(bit) do n = n + 1 end return n"), ":12 ");
}

#[test]
fn a_script_that_takes_long_is_asked_and_can_be_ended() {
    let killed = "ERR Script killed by user with SCRIPT KILL... script: digest, on @user_script:1.";
    assert_eq!(run("while true do end"), killed);
    assert_eq!(run("while true do pcall(function() while true do end end) end"), killed);
}

#[test]
fn a_run_that_nobody_waits_for_ends() {
    let engine = Engine::new().unwrap();
    let script = engine.compile(b"while true do pcall(redis.call, 'x') end").unwrap();
    let mut run = engine.run("digest", &script, &[], &[]).unwrap();
    assert!(matches!(run.go_on(Told::Done), Progress::Asks(Ask::Call { .. })));
    drop(run);
    let script = engine.compile(b"return 1").unwrap();
    let mut run = engine.run("digest", &script, &[], &[]).unwrap();
    assert!(matches!(run.go_on(Told::Done), Progress::Ended(Ok(_))));
}

#[test]
fn libraries() {
    let is = |source: &str, text: &str| {
        assert_eq!(run(source), format!("${} {text} ", text.len()), "{source}");
    };
    is(
        "return cjson.encode({1, 'a/\"', {b = 0.1}, cjson.null, {}})",
        r#"[1,"a\/\"",{"b":0.1},null,{}]"#,
    );
    is(
        r#"return cjson.encode(cjson.decode([[{"a":[1,-2.5e3,"\u00e9\ud83d\ude00",null,true]}]]))"#,
        "{\"a\":[1,-2500,\"é😀\",null,true]}",
    );
    is("return cjson.encode({[1] = 1, [5] = 1})", "[1,null,null,null,1]");
    is("return cjson.encode({1e15, 2^53, 1/3})", "[1e+15,9.007199254741e+15,0.33333333333333]");
    assert_eq!(
        run("cjson.decode('{')"),
        "ERR user_script:1: Expected object key string but found T_END at character 2 script: digest, \
         on @user_script:1."
    );
    is(
        "return cjson.encode({cmsgpack.unpack(cmsgpack.pack({1, -200, 1.5}, 'x', {a = 1}))})",
        r#"[[1,-200,1.5],"x",{"a":1}]"#,
    );
    is(
        "return cjson.encode({struct.unpack('>I2i4sB', struct.pack('>I2i4sB', 258, -5, 'ab', 7))})",
        r#"[258,-5,"ab",7,11]"#,
    );
    assert!(run("struct.unpack('b', 'x', 0)").contains("offset must be 1 or greater"));
    assert!(run("struct.unpack('b', 'x', 0/0)").contains("data string too short"));
    is("return bit.tohex(bit.bor(bit.lshift(1, 31), bit.band(255, 15)))", "8000000f");
    is("return tostring(math.random(100)) .. ' ' .. math.random(5, 6)", "40 6");
}
