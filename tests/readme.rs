//! The tables of README.md are those of the program.
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use replab::lab::topology::builtins;
use replab::lab::{ACTIONS, claim};
use replab::tui::keymap;

/// Set to write the tables into the file.
const BLESS: &str = "REPLAB_BLESS";

fn path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")
}

fn readme() -> String {
    fs::read_to_string(path()).expect("README.md")
}

fn actions() -> String {
    let mut table = String::from("| action | what it does |\n|---|---|\n");
    for row in ACTIONS {
        let _ = writeln!(table, "| `{}` | {} |", row.usage.replace('|', "\\|"), row.doc);
    }
    table
}

fn fields(rows: &[claim::FieldRow]) -> String {
    let mut table = String::from("| field | what it is | values |\n|---|---|---|\n");
    for row in rows {
        let values = row.kind.accepted();
        let _ = writeln!(table, "| `{}` | {} | {values} |", row.name, row.doc);
    }
    table
}

#[test]
fn its_tables_are_those_of_the_program() {
    let tables = [
        ("keys", keymap::markdown()),
        ("actions", actions()),
        ("node fields", fields(claim::NODE_FIELDS)),
        ("sentinel fields", fields(claim::SENTINEL_FIELDS)),
        ("monitor fields", fields(claim::MONITOR_FIELDS)),
        ("lab fields", fields(claim::LAB_FIELDS)),
    ];
    let mut text = readme();
    for (name, table) in tables {
        let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
        let start = text.find(&open).expect(name) + open.len();
        let end = start + text[start..].find(&close).expect(name);
        text.replace_range(start..end, &table);
    }
    if std::env::var_os(BLESS).is_some() {
        fs::write(path(), &text).expect("README.md");
    }
    assert!(readme() == text, "README.md is behind; {BLESS}=1 cargo test --test readme renews it");
}

#[test]
fn it_names_every_topology() {
    let text = readme();
    for builtin in builtins() {
        assert!(text.contains(builtin.name), "{} is not mentioned", builtin.name);
    }
}
