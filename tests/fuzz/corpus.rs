//! Good inputs to begin with.
//!
//! Each folder of `corpus` is what a server left after the commands of `commands.txt` (a
//! BGREWRITEAOF after the group is made, a SAVE at the end): redis-server 7.0.15 or ours, with its
//! defaults (`packed`) or with collections as small as possible in one piece (`plain`). `conf` are
//! files that servers and Sentinels of both kinds have rewritten, `replies-*` what redis-server
//! answered to `requests`. `tests/rdb` has payloads of DUMP in all encodings since Redis 2.6.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use replab::persist::rdb::{Decoder, dump};

/// Files that belong together.
pub struct Log {
    pub manifest: Vec<u8>,
    pub base: Vec<u8>,
    pub increment: Vec<u8>,
}

/// All good inputs.
pub struct Corpus {
    pub snapshots: Vec<Vec<u8>>,
    pub payloads: Vec<Vec<u8>>,
    pub logs: Vec<Log>,
    pub server_files: Vec<Vec<u8>>,
    pub sentinel_files: Vec<Vec<u8>>,
    pub topologies: Vec<Vec<u8>>,
    pub requests: Vec<Vec<u8>>,
    pub replies: Vec<Vec<u8>>,
}

/// They are read once.
pub static CORPUS: LazyLock<Corpus> = LazyLock::new(|| {
    let folder = tests().join("fuzz/corpus");
    let servers = ["real-packed", "real-plain", "ours-packed", "ours-plain"];
    let servers = servers.map(|name| folder.join(name));
    let snapshots = servers.iter().map(|server| read(&server.join("dump.rdb")));
    let snapshots: Vec<_> = snapshots.collect();
    let logs: Vec<_> = servers.iter().map(|server| Log::read(server)).collect();
    let named = |kind: &str| {
        let file = |whose: &str| read(&folder.join(format!("conf/{kind}-{whose}.conf")));
        ["real", "ours"].map(file).to_vec()
    };
    let mut requests = vec![read(&folder.join("requests"))];
    requests.extend(logs.iter().map(|log| log.increment.clone()));
    Corpus {
        payloads: payloads(&snapshots),
        snapshots,
        logs,
        server_files: named("redis"),
        sentinel_files: named("sentinel"),
        topologies: contents(&tests().join("../topologies")),
        requests,
        replies: ["replies-resp2", "replies-resp3"].map(|name| read(&folder.join(name))).to_vec(),
    }
});

impl Log {
    fn read(folder: &Path) -> Self {
        let file = |name: &str| read(&folder.join(name));
        Self { manifest: file("manifest"), base: file("base"), increment: file("increment") }
    }
}

/// Those of real servers, and of all that is in snapshots.
fn payloads(snapshots: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut payloads = contents(&tests().join("rdb"));
    // Tens of kilobytes teach nothing that a short one does not.
    payloads.retain(|payload| payload.len() < 4096);
    for snapshot in snapshots {
        let mut decoder = Decoder::new(None);
        decoder.feed(snapshot).expect("a good snapshot");
        let data = decoder.finish().expect("a whole snapshot").keyspace;
        payloads
            .extend(data.iter().flat_map(|db| db.iter().map(|(_, v, _)| dump(v, true).to_vec())));
    }
    payloads
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// What the files of a folder hold, in the order of their names.
fn contents(folder: &Path) -> Vec<Vec<u8>> {
    let files = fs::read_dir(folder).expect("a folder");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
