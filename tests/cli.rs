//! The binary as a person calls it.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![expect(clippy::expect_used, reason = "a test that cannot begin has failed")]

use assert_cmd::Command;

struct Told {
    code: Option<i32>,
    out: String,
    err: String,
}

fn replab(args: &[&str]) -> Told {
    let output = Command::cargo_bin("replab")
        .expect("the binary is built")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(args)
        .output()
        .expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Told { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn list_names_every_built_in_topology_with_its_title() {
    let told = replab(&["list"]);
    assert_eq!(told.code, Some(0));
    for name in ["default", "pair", "chain", "fan", "backlog-overflow", "stale-reads"] {
        assert!(told.out.lines().any(|line| line.starts_with(name)), "{}", told.out);
    }
    assert!(told.out.contains("Three in a row"), "{}", told.out);
}

#[test]
fn check_takes_files_and_built_in_names() {
    let told = replab(&["check", "chain", "topologies/fan.toml"]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert_eq!(told.out, "chain: ok\ntopologies/fan.toml: ok\n");
}

#[test]
fn check_fails_when_one_file_is_wrong_and_still_looks_at_the_others() {
    let told = replab(&["check", "tests/check/circles.toml", "pair"]);
    assert_eq!(told.code, Some(1));
    assert_eq!(told.out, "pair: ok\n");
    assert!(told.err.contains("tests/check/circles.toml:2:13"), "{}", told.err);
    assert!(!told.err.contains('\u{1b}'), "no colours into a pipe");
}

#[test]
fn check_passes_with_warnings() {
    let told = replab(&["check", "persistence-off"]);
    assert_eq!(told.code, Some(0));
    assert_eq!(told.out, "persistence-off: ok, 1 warning\n");
    assert!(told.err.starts_with("warning: `alpha` restarts by itself"), "{}", told.err);
}

#[test]
fn check_of_a_missing_file_names_it() {
    let told = replab(&["check", "no/such.toml"]);
    assert_eq!(told.code, Some(1));
    assert!(told.err.starts_with("error: cannot read no/such.toml: "), "{}", told.err);
}

#[test]
fn a_misspelt_name_gets_a_suggestion() {
    let told = replab(&["run", "chian"]);
    assert_eq!(told.code, Some(1));
    assert!(told.err.contains("did you mean `chain`?"), "{}", told.err);
}

#[test]
fn help_teaches_with_examples() {
    let told = replab(&["--help"]);
    assert_eq!(told.code, Some(0));
    for taught in ["replab run pair", "replab sim chain --seed 7", "redis-cli -p 6401"] {
        assert!(told.out.contains(taught), "{taught} in {}", told.out);
    }
}

#[test]
fn version_is_the_packages() {
    let told = replab(&["--version"]);
    assert_eq!(told.code, Some(0));
    assert_eq!(told.out, format!("replab {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn without_a_terminal_the_screen_says_how_to_go_without() {
    let told = replab(&["chain"]);
    assert_eq!(told.code, Some(1));
    assert!(told.err.contains("replab run chain"), "{}", told.err);
}

#[test]
fn what_is_not_understood_is_exit_2() {
    assert_eq!(replab(&["--frobnicate"]).code, Some(2));
    assert_eq!(replab(&["check"]).code, Some(2));
    assert_eq!(replab(&["run", "pair", "--for", "soon"]).code, Some(2));
}

#[test]
fn completions_are_a_script_for_the_shell() {
    let told = replab(&["completions", "bash"]);
    assert_eq!(told.code, Some(0));
    assert!(told.out.contains("_replab()"));
}
