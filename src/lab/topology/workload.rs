//! `[workload]`.

use std::ops::Range;

use super::WorkloadSpec;
use super::diagnostic::Diagnostic;
use super::monitor::{MonitorDraft, read_watching};
use super::names::Names;
use super::server::Draft;
use super::table::{Field, Notes};

/// Writes per second that may be asked for.
const WRITES_PER_SECOND_MAX: u64 = 1_000_000;

/// Bytes of one value.
const VALUE_BYTES_MAX: u64 = 1 << 20;

/// A workload with the place of its rate, or of its header.
pub struct WorkloadDraft {
    /// The workload.
    pub spec: WorkloadSpec,
    /// Where the rate stands.
    pub rate_span: Range<usize>,
    /// Where the target stands.
    pub target_span: Option<Range<usize>>,
}

/// Reads `[workload]`.
pub fn read_workload(
    field: Option<&Field<'_>>,
    drafts: &[Draft],
    monitors: &[MonitorDraft],
    sentinels: &Names<'_>,
    notes: &mut Notes<'_>,
) -> Option<WorkloadDraft> {
    let field = field?;
    let mut table = field.table("[workload]", notes)?;
    let rate = table.take("writes-per-second");
    let writes_per_second = rate.as_ref().and_then(|rate| {
        let wanted = format!("a number from 0 (off) to {WRITES_PER_SECOND_MAX}");
        rate.number(0..WRITES_PER_SECOND_MAX + 1, &wanted, notes)
    });
    let target_field = table.take("target");
    let target = target_field.as_ref().and_then(|target| {
        let name = target.string(notes)?;
        let span = notes.within(&target.span(), name, 0..name.len());
        let watched: Vec<&str> = monitors.iter().map(|monitor| &*monitor.spec.name).collect();
        let servers = Names::of(drafts.iter().map(Draft::named));
        servers.check_or(name, &watched, span, notes).then(|| name.to_owned())
    });
    let keys = table.take("keys").and_then(|keys| {
        keys.number(1..u64::from(u32::MAX), "a number of different keys, at least 1", notes)
    });
    let value_bytes = table.take("value-bytes").and_then(|bytes| {
        let wanted = format!("a number of bytes from 1 to {VALUE_BYTES_MAX}");
        bytes.number(1..VALUE_BYTES_MAX + 1, &wanted, notes)
    });
    let asks_field = table.take("sentinels");
    let asks = asks_field.as_ref().map(|asks| read_watching(Some(asks), sentinels, notes));
    table.finish(notes);
    let default = WorkloadSpec::default();
    let rate_span = rate.map_or_else(|| field.name_span.clone(), |rate| rate.span());
    if target_field.is_none()
        && monitors.is_empty()
        && !drafts.is_empty()
        && drafts.iter().all(|draft| draft.replicaof_span.is_some())
    {
        notes.add(
            Diagnostic::error(field.name_span.clone(), "no server of this file takes writes")
                .help("every server is a replica; say where to write: target = \"NAME\""),
        );
    }
    Some(WorkloadDraft {
        spec: WorkloadSpec {
            writes_per_second: writes_per_second.unwrap_or_default() as u32,
            target,
            keys: keys.unwrap_or(default.keys),
            value_bytes: value_bytes.map_or(default.value_bytes, |bytes| bytes as usize),
            sentinels: asks.unwrap_or_default(),
        },
        rate_span,
        target_span: target_field.map(|target| target.span()),
    })
}
