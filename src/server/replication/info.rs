//! `# Replication` of INFO.

use crate::machine::{LinkState, PrimaryLinkView, ReplicaView, Role, ServerView};
use crate::repl::NO_REPLID;
use crate::server::Server;
use crate::server::cmd::InfoText;

impl Server {
    /// The section, field by field in Redis's order.
    pub(in crate::server) fn info_replication(&self, text: &mut InfoText) {
        let view = self.picture(self.now);
        text.field("role", if view.role == Role::Replica { "slave" } else { "master" });
        if let Some(primary) = &view.primary {
            self.info_upstream(text, &view, primary);
        }
        text.field("connected_slaves", view.replicas.len());
        if let Some((good, _)) = view.good_replicas {
            text.field("min_slaves_good_slaves", good);
        }
        for (index, replica) in view.replicas.iter().enumerate() {
            text.field(format_args!("slave{index}"), line(replica));
        }
        text.field("master_failover_state", self.replication.failover.word());
        text.field("master_replid", &view.replid);
        text.field("master_replid2", view.replid2.as_deref().unwrap_or(NO_REPLID));
        text.field("master_repl_offset", view.offset);
        text.field("second_repl_offset", view.second_offset);
        text.field("repl_backlog_active", u8::from(view.backlog.is_some()));
        text.field("repl_backlog_size", self.config.repl_backlog_size);
        let (first, len) = view.backlog.map_or((0, 0), |backlog| (backlog.first, backlog.len));
        text.field("repl_backlog_first_byte_offset", first);
        text.field("repl_backlog_histlen", len);
    }

    fn info_upstream(&self, text: &mut InfoText, view: &ServerView, primary: &PrimaryLinkView) {
        let is_up = primary.state == LinkState::Connected;
        text.field("master_host", &primary.host);
        text.field("master_port", primary.port);
        text.field("master_link_status", if is_up { "up" } else { "down" });
        let silent = primary.io_age_ms.map_or(-1, |ms| (ms / 1000) as i64);
        text.field("master_last_io_seconds_ago", silent);
        let is_syncing = primary.state == LinkState::Sync;
        text.field("master_sync_in_progress", u8::from(is_syncing));
        let ahead = self.replication.upstream.as_ref().map_or(0, super::Upstream::read_ahead);
        text.field("slave_read_repl_offset", view.offset + ahead);
        text.field("slave_repl_offset", view.offset);
        if let Some((read, total)) = primary.transfer {
            self.info_transfer(text, read, total);
        }
        if !is_up {
            let down = primary.down_ms.map_or(-1, |ms| (ms / 1000) as i64);
            text.field("master_link_down_since_seconds", down);
        }
        text.field("slave_priority", self.config.replica_priority);
        text.field("slave_read_only", u8::from(self.config.replica_read_only));
        text.field("replica_announced", u8::from(self.config.replica_announced));
    }

    fn info_transfer(&self, text: &mut InfoText, read: u64, total: Option<u64>) {
        let all = total.unwrap_or(0);
        text.field("master_sync_total_bytes", all);
        text.field("master_sync_read_bytes", read);
        text.field("master_sync_left_bytes", all as i64 - read as i64);
        let percent = if all == 0 { 0.0 } else { read as f64 / all as f64 * 100.0 };
        text.field("master_sync_perc", format_args!("{percent:.2}"));
        let heard = self.replication.upstream.as_ref().and_then(super::Upstream::last_io);
        let silent = heard.map_or(0, |at| self.now.since(at) / 1000);
        text.field("master_sync_last_io_seconds_ago", silent);
    }
}

fn line(replica: &ReplicaView) -> String {
    format!(
        "ip={},port={},state={},offset={},lag={}",
        replica.ip,
        replica.port,
        replica.state.word(),
        replica.acked,
        replica.ack_age_ms / 1000
    )
}
