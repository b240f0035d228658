//! What the transcripts must show.

use std::path::Path;

use super::TRANSCRIPTS;

#[test]
fn every_transcript_is_played() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/command");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<_> =
        files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    let mut played = TRANSCRIPTS.to_vec();
    names.sort_unstable();
    played.sort_unstable();
    assert_eq!(played, names);
}
