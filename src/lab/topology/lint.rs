//! What is allowed and will surprise.

use super::WorkloadSpec;
use super::diagnostic::Diagnostic;
use super::server::Draft;
use super::table::Notes;
use super::workload::WorkloadDraft;
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
