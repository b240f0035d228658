//! The names that a file may speak of.

use std::ops::Range;

use super::diagnostic::Diagnostic;
use super::server::Draft;
use super::table::{Notes, did_you_mean};

/// The servers, and the groups that some of them were expanded from.
pub struct Names<'d> {
    drafts: &'d [Draft],
}

impl<'d> Names<'d> {
    /// The names of these servers.
    pub fn of(drafts: &'d [Draft]) -> Self {
        Self { drafts }
    }

    /// Whether a server has that name; if not, that is noted.
    pub fn check(&self, name: &str, span: Range<usize>, notes: &mut Notes<'_>) -> bool {
        let servers = || self.drafts.iter().map(|draft| draft.spec.name.as_str());
        if servers().any(|server| server == name) {
            return true;
        }
        let members: Vec<&str> = self
            .drafts
            .iter()
            .filter(|draft| draft.group.as_deref() == Some(name))
            .map(|draft| draft.spec.name.as_str())
            .collect();
        let all: Vec<&str> = servers().collect();
        notes.add(if members.is_empty() {
            let unknown = Diagnostic::error(span, format!("there is no server `{name}`"));
            did_you_mean(unknown, name, servers()).help(format!("there are {}", all.join(", ")))
        } else {
            Diagnostic::error(span, format!("`{name}` is a group, and one server is wanted"))
                .help(format!("its servers are {}", members.join(", ")))
        });
        false
    }

    /// Whether there are any servers to speak of.
    pub fn is_empty(&self) -> bool {
        self.drafts.is_empty()
    }
}
