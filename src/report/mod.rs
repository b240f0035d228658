//! Floor 9: a run as text for people and as JSON for programs. Both are told one row of the
//! journal at a time and a summary at the end.
//!
//! What happened on the screen until now is told in one piece, as Markdown.
//!
//! # JSON
//!
//! One object a line: `{"t_ms":1200,"node":"alpha","fact":"killed",…}` with the fields of the fact;
//! `node` is null for the lab as a whole. The first line is always `ready`, with the nodes' names
//! and ports; what happened before it follows it. The last is `summary`.

mod dto;
mod json;
mod markdown;
mod text;

pub use self::json::Json;
pub use self::markdown::markdown;
pub use self::text::Text;
