//! What is allowed and will surprise.

use super::diagnostic::Diagnostic;
use super::monitor::MonitorDraft;
use super::server::Draft;
use super::table::Notes;
use super::workload::WorkloadDraft;
use super::{LinkSpec, WorkloadSpec};
use crate::base::time::Millis;
use crate::lab::action::Direction;
use crate::lab::parse;

/// Redis's `repl-backlog-size` when nothing is said.
const BACKLOG_DEFAULT_BYTES: u64 = 1 << 20;

/// Bytes that a write adds to the stream besides its value.
const WRITE_OVERHEAD_BYTES: u64 = 60;

/// Seconds of the workload that a backlog should hold.
const BACKLOG_SECONDS_MIN: u64 = 10;

/// Notes warnings about a file that has no errors.
pub fn lint(drafts: &[Draft], workload: Option<&WorkloadDraft>, notes: &mut Notes<'_>) {
    for draft in drafts {
        lint_wiping_primary(draft, drafts, notes);
    }
    if let Some(workload) = workload.filter(|workload| workload.spec.writes_per_second > 0) {
        lint_small_backlog(drafts, workload, notes);
        lint_writes_to_replica(drafts, workload, notes);
    }
}

/// The trap that Redis's own documentation warns of.
fn lint_wiping_primary(draft: &Draft, drafts: &[Draft], notes: &mut Notes<'_>) {
    let spec = &draft.spec;
    let keeps = spec.persistence || spec.directive("appendonly") == Some("yes");
    let followed = drafts.iter().any(|other| other.spec.replicaof.as_ref() == Some(&spec.name));
    if spec.auto_restart.is_none() || keeps || !followed {
        return;
    }
    let message = format!("`{}` restarts by itself, empty, and its replicas copy that", spec.name);
    notes.add(
        Diagnostic::warning(draft.name_span.clone(), message)
            .label("no persistence, and auto-restart")
            .help("with persistence, or without auto-restart, the data survives a crash"),
    );
}

fn lint_small_backlog(drafts: &[Draft], workload: &WorkloadDraft, notes: &mut Notes<'_>) {
    let Some(draft) = target(drafts, &workload.spec) else { return };
    let size = match draft.spec.directive("repl-backlog-size") {
        None => BACKLOG_DEFAULT_BYTES,
        Some(text) => match parse::size(text) {
            Some(size) => size,
            None => return,
        },
    };
    let write_bytes = workload.spec.value_bytes as u64 + WRITE_OVERHEAD_BYTES;
    let bytes_per_s = u64::from(workload.spec.writes_per_second) * write_bytes;
    if size >= bytes_per_s * BACKLOG_SECONDS_MIN {
        return;
    }
    let name = &draft.spec.name;
    let message = format!(
        "the backlog of `{name}` holds {} s of these writes",
        tenths(size * 10 / bytes_per_s.max(1))
    );
    notes.add(
        Diagnostic::warning(workload.rate_span.clone(), message)
            .label(format!("about {} kB/s", bytes_per_s / 1000))
            .related(draft.name_span.clone(), format!("{} kB of backlog", size / 1000))
            .help("a replica that is away for longer needs a full resync: raise repl-backlog-size"),
    );
}

fn lint_writes_to_replica(drafts: &[Draft], workload: &WorkloadDraft, notes: &mut Notes<'_>) {
    let (Some(draft), Some(span)) = (target(drafts, &workload.spec), &workload.target_span) else {
        return;
    };
    let read_only = draft.spec.directive("replica-read-only") != Some("no");
    if draft.spec.replicaof.is_some() && read_only {
        let message = format!("`{}` is a replica and refuses writes", draft.spec.name);
        notes.add(
            Diagnostic::warning(span.clone(), message)
                .help("without `target` the workload writes to the first primary"),
        );
    }
}

/// Warnings about what Sentinels will and will not do.
pub fn lint_monitors(
    monitors: &[MonitorDraft],
    drafts: &[Draft],
    links: &[LinkSpec],
    notes: &mut Notes<'_>,
) {
    for monitor in monitors {
        lint_majority(monitor, notes);
        lint_impatience(monitor, links, notes);
        lint_masterauth(monitor, drafts, notes);
        lint_watched_replica(monitor, drafts, notes);
    }
}

/// The quorum says that the primary is down; a majority of all Sentinels elects who acts.
fn lint_majority(monitor: &MonitorDraft, notes: &mut Notes<'_>) {
    let (name, quorum) = (&monitor.spec.name, monitor.spec.quorum);
    let count = monitor.spec.sentinels.len() as u64;
    let majority = count / 2 + 1;
    let warn = |message: String| Diagnostic::warning(monitor.quorum_span.clone(), message);
    if count > 0 && count.is_multiple_of(2) {
        let one_less = count - 1;
        let message = format!("`{name}` is watched by {count} Sentinels, an even number");
        notes.add(Diagnostic::warning(monitor.name_span.clone(), message).help(format!(
            "a majority is {majority}, so no more of them may fail than of {one_less}: \
                 make it {}",
            count + 1
        )));
    }
    if quorum > count {
        notes.add(
            warn(format!("a quorum of {quorum}, and only {count} Sentinels watch `{name}`"))
                .help("they never agree that it is down: there is no failover"),
        );
    } else if quorum > majority {
        notes.add(
            warn(format!("a quorum of {quorum} is more than a majority of {count} Sentinels"))
                .help(format!("{} of them away, and there is no failover", count - quorum + 1)),
        );
    } else if quorum < majority {
        notes.add(
            warn(format!("a quorum of {quorum} is no majority of {count} Sentinels"))
                .label("enough to say that it is down")
                .help(format!(
                    "who acts is elected by {majority} all the same: quorum = {majority} says so"
                )),
        );
    }
}

/// A primary that is slow to reach seems down before it can answer.
fn lint_impatience(monitor: &MonitorDraft, links: &[LinkSpec], notes: &mut Notes<'_>) {
    let down_after = monitor.spec.down_after_ms();
    let delay = |from: &str, to: &str| -> Millis {
        let covers = |spec: &&LinkSpec| {
            let (a, b) = (spec.link.a.as_str(), spec.link.b.as_str());
            (a, b) == (from, to) || (spec.link.direction == Direction::Both && (b, a) == (from, to))
        };
        links.iter().filter(covers).map(|spec| spec.policy.delay_ms + spec.policy.jitter_ms).sum()
    };
    let primary = monitor.spec.primary.as_str();
    let round_trip =
        |sentinel: &String| (delay(sentinel, primary) + delay(primary, sentinel), sentinel.clone());
    let Some((slowest, sentinel)) = monitor.spec.sentinels.iter().map(round_trip).max() else {
        return;
    };
    if down_after >= 3 * slowest {
        return;
    }
    let span = monitor.down_after_span.as_ref().unwrap_or(&monitor.name_span).clone();
    let message =
        format!("`{primary}` may seem down to `{sentinel}`: an answer takes up to {slowest} ms");
    notes.add(
        Diagnostic::warning(span, message).label(format!("down after {down_after} ms")).help(
            format!("down-after-milliseconds = {} leaves room for two lost answers", 3 * slowest),
        ),
    );
}

/// The trap that shows only after a failover, when the old primary has to follow.
fn lint_masterauth(monitor: &MonitorDraft, drafts: &[Draft], notes: &mut Notes<'_>) {
    let Some(span) = &monitor.auth_pass_span else { return };
    let primary = drafts.iter().find(|draft| draft.spec.name == monitor.spec.primary);
    let Some(primary) =
        primary.filter(|draft| draft.spec.directive("masterauth").is_none_or(str::is_empty))
    else {
        return;
    };
    let name = &primary.spec.name;
    notes.add(
        Diagnostic::warning(
            primary.name_span.clone(),
            format!("`{name}` has no `masterauth`: it cannot follow the primary that replaces it"),
        )
        .related(span.clone(), "the nodes ask for a password")
        .help(
            "every node of a monitored primary becomes a replica some day: give masterauth to all",
        ),
    );
}

fn lint_watched_replica(monitor: &MonitorDraft, drafts: &[Draft], notes: &mut Notes<'_>) {
    let watched = drafts.iter().find(|draft| draft.spec.name == monitor.spec.primary);
    if let Some(above) = watched.and_then(|draft| draft.spec.replicaof.as_ref()) {
        let message = format!("`{}` is a replica of `{above}`", monitor.spec.primary);
        notes.add(
            Diagnostic::warning(monitor.name_span.clone(), message)
                .help("Sentinels watch primaries, and find the replicas by themselves"),
        );
    }
}

/// The server that a workload writes to.
fn target<'d>(drafts: &'d [Draft], workload: &WorkloadSpec) -> Option<&'d Draft> {
    drafts.iter().find(|draft| match &workload.target {
        Some(name) => draft.spec.name == *name,
        None => draft.spec.replicaof.is_none(),
    })
}

fn tenths(number: u64) -> String {
    format!("{}.{}", number / 10, number % 10)
}
