//! What was found once, as small as it was made.

/// Targets and inputs that they failed with.
pub fn inputs() -> Vec<(&'static str, Vec<u8>)> {
    let many = |line: &str, times| line.repeat(times).into_bytes();
    vec![
        // Endless words, each of them empty.
        ("requests", b"$\0\n".to_vec()),
        ("aof-manifest", b"file \0\n".to_vec()),
        ("redis.conf", b"bind \0\n".to_vec()),
        ("sentinel.conf", b"port \0\n".to_vec()),
        // What was left of it was too short to be told from the beginning of a snapshot.
        ("aof-base", b"#\n$6\n".to_vec()),
        // All of them were answered in one turn.
        ("requests", [many("SETRANGE k 200000 x\n", 1), many("GET k\n", 100)].concat()),
        // Not written at all, and written so that it could not be read.
        ("redis.conf", b"latency-tracking-info-percentiles\n".to_vec()),
        ("redis.conf", b"bind \"\\\"\\n\\\"c\"\n".to_vec()),
        // Each line took time in proportion to those before.
        ("redis.conf", many("save 900 1\n", 1500)),
        ("topology", many("replicort = 6403\n", 1500)),
    ]
}
