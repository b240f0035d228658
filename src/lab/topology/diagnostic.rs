//! What is wrong with a topology file, and where: rendered as rustc would.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used and will surprise.
    Warning,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
    /// The bytes of the source that are underlined.
    pub span: Range<usize>,
    /// Said beside the underline; may be empty.
    pub label: String,
    /// Other places that have to do with it, with what is said beside them.
    pub related: Vec<(Range<usize>, String)>,
    /// What would be accepted, one line each.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            span,
            label: String::new(),
            related: Vec::new(),
            help: Vec::new(),
        }
    }

    /// A warning at a place.
    pub fn warning(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(span, message) }
    }

    /// Says something beside the underline.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Points at another place.
    #[must_use]
    pub fn related(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.related.push((span, label.into()));
        self
    }

    /// Says what would be accepted.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    fn group<'a>(&'a self, source_name: &'a str, source: &'a str) -> Group<'a> {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let label = (!self.label.is_empty()).then_some(self.label.as_str());
        let snippet = Snippet::source(source)
            .path(source_name)
            .annotation(AnnotationKind::Primary.span(self.span.clone()).label(label))
            .annotations(self.related.iter().map(|(span, label)| {
                AnnotationKind::Context.span(span.clone()).label(label.as_str())
            }));
        level
            .primary_title(self.message.as_str())
            .element(snippet)
            .elements(self.help.iter().map(|help| Level::HELP.message(help.as_str())))
    }
}

/// Nobody reads more at once, and each takes a look through the whole text.
const RENDERED_MAX: usize = 50;

/// Everything that is wrong with one text, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diagnostics {
    source_name: String,
    source: String,
    items: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Puts findings about a text in its order.
    pub fn new(
        source_name: impl Into<String>,
        source: impl Into<String>,
        mut items: Vec<Diagnostic>,
    ) -> Self {
        items.sort_by_key(|item| item.span.start);
        Self { source_name: source_name.into(), source: source.into(), items }
    }

    /// What is wrong.
    pub fn items(&self) -> &[Diagnostic] {
        &self.items
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// It with file, line and column, source lines, underlines and help, or the first of it if it is
    /// very much. ANSI colours only if asked for. Ends without a line break.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut blocks: Vec<String> = self
            .items
            .iter()
            .take(RENDERED_MAX)
            .map(|item| renderer.render(&[item.group(&self.source_name, &self.source)]))
            .collect();
        if let more @ 1.. = self.items.len().saturating_sub(RENDERED_MAX) {
            blocks.push(format!("and {more} more"));
        }
        blocks.join("\n\n")
    }
}

impl std::fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}
