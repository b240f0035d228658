//! What is read from a node's INFO. Unknown lines are skipped, nonsense as well.

use super::config::is_host;
use crate::machine::{Endpoint, Millis, Role};

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Info {
    /// `run_id`
    pub run_id: Option<String>,
    /// `role`
    pub role: Option<Role>,
    /// `slaveN` lines of a primary.
    pub replicas: Vec<Endpoint>,
    /// `master_host` and `master_port` of a replica.
    pub follows: Option<Endpoint>,
    /// `master_link_status:up`
    pub link_up: bool,
    /// `master_link_down_since_seconds`, in ms; 0 if the line is missing.
    pub link_down: Millis,
    /// `slave_priority`
    pub priority: Option<u64>,
    /// `slave_repl_offset`
    pub offset: Option<u64>,
    /// `replica_announced`
    pub announced: Option<bool>,
}

impl Info {
    /// Reads the lines of an INFO reply.
    pub fn parse(text: &[u8], names: bool) -> Self {
        let text = String::from_utf8_lossy(text);
        let mut info = Self::default();
        let (mut host, mut port) = (None, None);
        for line in text.lines() {
            let Some((field, value)) = line.split_once(':') else { continue };
            let is_replica = info.role == Some(Role::Replica);
            match field {
                "run_id"
                    if value.len() == 40 && value.bytes().all(|b| b.is_ascii_alphanumeric()) =>
                {
                    info.run_id = Some(value.to_owned());
                }
                "role" if value == "master" => info.role = Some(Role::Primary),
                "role" if value == "slave" => info.role = Some(Role::Replica),
                "master_host" if is_replica => host = Some(value).filter(|h| is_host(h, names)),
                "master_port" if is_replica => port = value.parse().ok(),
                "master_link_status" if is_replica => info.link_up = value == "up",
                "master_link_down_since_seconds" => {
                    let seconds = value.parse::<i64>().unwrap_or(0).max(0) as u64;
                    info.link_down = seconds.saturating_mul(1000);
                }
                "slave_priority" if is_replica => info.priority = value.parse().ok(),
                "slave_repl_offset" if is_replica => info.offset = value.parse().ok(),
                "replica_announced" if is_replica => {
                    info.announced = value.parse::<i64>().ok().map(|n| n != 0);
                }
                _ if info.role == Some(Role::Primary) => {
                    info.replicas.extend(replica_line(field, value, names));
                }
                _ => {}
            }
        }
        info.follows = host.zip(port).map(|(host, port)| Endpoint::new(host, port));
        info
    }
}

/// `slave0:ip=127.0.0.1,port=6380,...`, or of old `slave0:127.0.0.1,6380,online`.
fn replica_line(field: &str, value: &str, names: bool) -> Option<Endpoint> {
    field.strip_prefix("slave")?.parse::<u32>().ok()?;
    let mut parts = value.split(',');
    let (host, port) = if value.contains("ip=") {
        let find = |key| value.split(',').find_map(|part| part.strip_prefix(key));
        (find("ip=")?, find("port=")?)
    } else {
        (parts.next()?, parts.next()?)
    };
    let port = port.parse().ok().filter(|port| *port > 0)?;
    is_host(host, names).then(|| Endpoint::new(host, port))
}

#[cfg(test)]
mod tests {
    use super::Info;
    use crate::machine::{Endpoint, Role};

    #[test]
    fn a_primary_names_its_replicas_in_both_forms() {
        let info = Info::parse(
            b"# Replication\r\nrole:master\r\nslave0:ip=10.0.0.2,port=6380,state=online,lag=0\r\n\
              slave1:10.0.0.3,6381,online\r\nslave_x:1,2\r\nslave2:ip=;rm,port=1\r\nslave3:\r\n",
            false,
        );
        assert_eq!(info.role, Some(Role::Primary));
        let addrs: Vec<_> = info.replicas.iter().map(ToString::to_string).collect();
        assert_eq!(addrs, ["10.0.0.2:6380", "10.0.0.3:6381"]);
    }

    #[test]
    fn a_replica_tells_whom_it_follows_and_how_far_it_is() {
        let info = Info::parse(
            b"role:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:6379\r\nmaster_link_status:down\r\n\
              master_link_down_since_seconds:7\r\nslave_priority:0\r\nslave_repl_offset:55\r\n",
            false,
        );
        assert_eq!(info.follows, Some(Endpoint::new("10.0.0.1", 6379)));
        assert_eq!((info.link_up, info.link_down), (false, 7000));
        assert_eq!((info.priority, info.offset, info.announced), (Some(0), Some(55), None));
    }

    #[test]
    fn nonsense_is_skipped() {
        let info = Info::parse(b"\xff:\xfe\r\nrole:emperor\r\nrun_id:x\r\nmaster_port:9", false);
        assert_eq!(info, Info::default());
    }
}
