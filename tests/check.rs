//! Broken topology files and what a person is told about them.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![expect(clippy::expect_used, reason = "a test that cannot begin has failed")]

use std::path::Path;

use proptest::strategy::Strategy;
use replab::lab::topology::Topology;

/// Everything said about a file of `tests/check`.
fn told_about(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check").join(name);
    let text = std::fs::read_to_string(path).expect("the file is there");
    match Topology::parse(name, &text) {
        Ok(topology) => topology.lints.render(false),
        Err(diagnostics) => diagnostics.render(false),
    }
}

macro_rules! told {
    ($($test:ident: $file:literal,)+) => {
        $(#[test]
        fn $test() {
            insta::with_settings!({ snapshot_path => "check", prepend_module_to_snapshot => false }, {
                insta::assert_snapshot!($file, told_about($file));
            });
        })+
    };
}

told! {
    text_that_is_not_toml: "syntax.toml",
    keys_that_do_not_exist: "unknown-keys.toml",
    values_of_the_wrong_type: "wrong-types.toml",
    ports_used_twice_also_by_a_group: "duplicate-ports.toml",
    names_of_no_server: "unknown-names.toml",
    circles_of_replicas: "circles.toml",
    two_primaries_that_claim_one_replica: "two-primaries.toml",
    durations_and_sizes_without_sense: "units.toml",
    steps_that_cannot_be_taken: "steps.toml",
    names_and_ports_out_of_range: "names.toml",
    a_file_without_servers: "no-servers.toml",
    things_said_twice: "twice.toml",
    what_is_allowed_and_surprises: "surprises.toml",
    sentinels_that_cannot_watch: "sentinels.toml",
    a_monitor_without_sentinels: "no-sentinels.toml",
    sentinels_that_will_surprise: "sentinel-surprises.toml",
}

#[test]
fn colour_is_there_only_when_asked_for() {
    let diagnostics = Topology::parse("x.toml", "colour = 1").expect_err("no servers");
    assert!(diagnostics.render(true).contains('\u{1b}'));
    assert!(!diagnostics.render(false).contains('\u{1b}'));
}

proptest::proptest! {
    /// Pieces of broken and sound files, put together at random, with what people paste.
    #[test]
    fn no_text_breaks_the_reader(pieces in proptest::collection::vec(piece(), 0..12)) {
        if let Err(diagnostics) = Topology::parse("x.toml", &pieces.concat()) {
            proptest::prop_assert!(diagnostics.render(false).contains("x.toml:"));
        }
    }
}

fn piece() -> impl Strategy<Value = String> {
    let files = [
        include_str!("check/steps.toml"),
        include_str!("check/unknown-names.toml"),
        include_str!("check/wrong-types.toml"),
        include_str!("check/two-primaries.toml"),
        include_str!("../topologies/chain.toml"),
    ];
    let lines: Vec<String> =
        files.iter().flat_map(|file| file.split_inclusive('\n')).map(str::to_owned).collect();
    proptest::prop_oneof![
        4 => proptest::sample::select(lines),
        1 => "[\u{feff}\r\n\t\"'\\[\\]{}=.é💥a-]{0,6}",
        1 => "[a-z]{1,3} = \"[a-zé💥\\\\>< -]{0,12}\"\r\n",
        1 => "do = \"[a-zé💥 ]{0,12}\"\n",
        1 => "expect = \"[a-zé💥 =<]{0,12}\"\n",
    ]
}
