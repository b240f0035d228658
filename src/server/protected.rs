//! `protected-mode`: a node without a password serves nobody but its own machine.

use super::Server;
use crate::machine::Endpoint;

/// What strangers are told.
const DENIED: &str = "\
    -DENIED Redis is running in protected mode because protected mode is enabled and no \
    password is set for the default user. In this mode connections are only accepted from the \
    loopback interface. If you want to connect from external computers to Redis you may adopt \
    one of the following solutions: 1) Just disable protected mode sending the command 'CONFIG \
    SET protected-mode no' from the loopback interface by connecting to Redis from the same \
    host the server is running, however MAKE SURE Redis is not publicly accessible from \
    internet if you do so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively \
    you can just disable the protected mode by editing the Redis configuration file, and \
    setting the protected mode option to 'no', and then restarting the server. 3) If you \
    started the server manually just for testing, restart it with the '--protected-mode no' \
    option. 4) Setup a an authentication password for the default user. NOTE: You only need to \
    do one of the above things in order for the server to start accepting connections from the \
    outside.\r\n";

/// Whether a connection comes from the same machine: over loopback or a Unix socket.
pub(super) fn is_local(peer: &Endpoint) -> bool {
    let is_loopback = |host: &str| matches!(host, "localhost" | "::1") || host.starts_with("127.");
    peer.port == 0 || is_loopback(&peer.host)
}

impl Server {
    /// What a newcomer is told instead of being served, if he is a stranger.
    pub(super) fn refusal_of_strangers(&self, peer: &Endpoint) -> Option<&'static str> {
        let is_protected = self.config.protected_mode && self.config.user.is_open();
        (is_protected && !is_local(peer)).then_some(DENIED)
    }
}

#[cfg(test)]
mod tests {
    use crate::machine::{ConnId, Endpoint, Input, Output};
    use crate::server::testing::Bench;

    /// What somebody at an address is told when he comes.
    fn greeting(directives: &[(&str, &str)], host: &str) -> String {
        let mut bench = Bench::new(directives);
        let conn = ConnId::accepted(7);
        let (peer, local) = (Endpoint::new(host, 50_000), Endpoint::new("10.0.0.1", 6379));
        bench.step(Input::Accepted { conn, peer, local });
        let closes = |o: &Output| matches!(o, Output::Close { conn: c, .. } if *c == conn);
        let is_closed = bench.outputs.iter().any(closes);
        let told = String::from_utf8(bench.received(conn).to_vec()).unwrap();
        assert_eq!(is_closed, !told.is_empty());
        told
    }

    #[test]
    fn strangers_are_refused_unless_there_is_a_password_or_no_protection() {
        assert!(
            greeting(&[], "10.0.0.2").starts_with("-DENIED Redis is running in protected mode")
        );
        assert_eq!(greeting(&[], "127.0.0.1"), "");
        assert_eq!(greeting(&[("protected-mode", "no")], "10.0.0.2"), "");
        assert_eq!(greeting(&[("requirepass", "x")], "10.0.0.2"), "");
    }
}
