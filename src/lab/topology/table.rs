//! Small readers over TOML's tree. A reader that finds something else than it wants notes it and
//! gives nothing, so that reading goes on and finds the rest.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::Diagnostic;
use crate::base::time::Millis;
use crate::lab::parse;

/// What was found wrong so far, and the text it was found in.
pub struct Notes<'s> {
    source: &'s str,
    items: Vec<Diagnostic>,
}

impl<'s> Notes<'s> {
    /// Nothing is wrong yet.
    pub fn new(source: &'s str) -> Self {
        Self { source, items: Vec::new() }
    }

    /// Notes something.
    pub fn add(&mut self, item: Diagnostic) {
        self.items.push(item);
    }

    /// Everything that was noted.
    pub fn into_items(self) -> Vec<Diagnostic> {
        self.items
    }

    /// The line of a byte, from 1.
    pub fn line(&self, at: usize) -> usize {
        self.source.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
    }

    /// Where a part of a string's content stands in the text, given where the quoted string
    /// stands. With escapes in the string it is the whole string.
    pub fn within(&self, string: &Range<usize>, content: &str, part: Range<usize>) -> Range<usize> {
        let Some(quoted) = self.source.get(string.clone()) else { return string.clone() };
        match quoted.find(content) {
            Some(offset) if !content.is_empty() => {
                let base = string.start + offset;
                base + part.start..base + part.end.max(part.start)
            }
            _ => string.clone(),
        }
    }
}

/// A table of which keys are asked for one by one; what nobody asked for is unknown.
pub struct Table<'t> {
    /// How the table is called in messages: `[servers.alpha]`.
    pub title: String,
    /// Where it stands: its header, or the inline table.
    pub span: Range<usize>,
    fields: Vec<Field<'t>>,
    asked: Vec<&'static str>,
}

impl<'t> Table<'t> {
    /// Begins to read a table.
    pub fn new(title: impl Into<String>, span: Range<usize>, table: &'t DeTable<'t>) -> Self {
        let mut fields: Vec<Field<'t>> = table
            .iter()
            .map(|(key, value)| Field { name: key.get_ref(), name_span: key.span(), value })
            .collect();
        fields.sort_by_key(|field| field.name_span.start);
        Self { title: title.into(), span, fields, asked: Vec::new() }
    }

    /// Takes the field of that name out of the table.
    pub fn take(&mut self, name: &'static str) -> Option<Field<'t>> {
        self.asked.push(name);
        let index = self.fields.iter().position(|field| field.name == name)?;
        Some(self.fields.remove(index))
    }

    /// What is left, in file order, and the names that were asked for.
    pub fn rest(self) -> (Vec<Field<'t>>, Vec<&'static str>) {
        (self.fields, self.asked)
    }

    /// Notes what is left as unknown.
    pub fn finish(self, notes: &mut Notes<'_>) {
        for field in &self.fields {
            let unknown = Diagnostic::error(
                field.name_span.clone(),
                format!("unknown key `{}` in {}", field.name, self.title),
            );
            let unknown = did_you_mean(unknown, field.name, self.asked.iter().copied());
            notes.add(unknown.help(format!("accepted are {}", self.asked.join(", "))));
        }
    }
}

/// A key and its value.
#[derive(Clone)]
pub struct Field<'t> {
    /// The key.
    pub name: &'t str,
    /// Where the key stands.
    pub name_span: Range<usize>,
    /// The value.
    pub value: &'t Spanned<DeValue<'t>>,
}

impl<'t> Field<'t> {
    /// Where the value stands.
    pub fn span(&self) -> Range<usize> {
        self.value.span()
    }

    /// A string.
    pub fn string(&self, notes: &mut Notes<'_>) -> Option<&'t str> {
        self.want(self.value.get_ref().as_str(), "a text in quotes", notes)
    }

    /// `true` or `false`.
    pub fn boolean(&self, notes: &mut Notes<'_>) -> Option<bool> {
        self.want(self.value.get_ref().as_bool(), "true or false", notes)
    }

    /// A table; `title` is what messages call it.
    pub fn table(&self, title: impl Into<String>, notes: &mut Notes<'_>) -> Option<Table<'t>> {
        let title = title.into();
        let table = self.want(self.value.get_ref().as_table(), "a table", notes)?;
        Some(Table::new(title, self.span(), table))
    }

    /// A whole number in a range; `wanted` describes it.
    pub fn number(&self, range: Range<u64>, wanted: &str, notes: &mut Notes<'_>) -> Option<u64> {
        let integer = self.value.get_ref().as_integer();
        let number = integer
            .and_then(|number| u64::from_str_radix(number.as_str(), number.radix()).ok())
            .filter(|number| range.contains(number));
        self.want_form(number, integer.is_some(), wanted, notes)
    }

    /// A duration in milliseconds.
    pub fn duration(&self, notes: &mut Notes<'_>) -> Option<Millis> {
        let text = self.value.get_ref().as_str();
        let duration = text.and_then(parse::duration);
        let wanted = r#"a duration such as "500ms", "5s" or "2m""#;
        self.want_form(duration, text.is_some(), wanted, notes)
    }

    /// A size in bytes, at least 1.
    pub fn size(&self, notes: &mut Notes<'_>) -> Option<u64> {
        let text = self.value.get_ref().as_str();
        let size = text.and_then(parse::size).filter(|size| *size > 0);
        self.want_form(size, text.is_some(), r#"a size such as "500b", "50kb" or "1mb""#, notes)
    }

    /// Passes on what was found, or notes that another type was wanted.
    pub fn want<T>(&self, found: Option<T>, wanted: &str, notes: &mut Notes<'_>) -> Option<T> {
        self.want_form(found, false, wanted, notes)
    }

    /// As [`Field::want`]; with the right type and the wrong form, the type is not worth a word.
    fn want_form<T>(
        &self,
        found: Option<T>,
        type_is_right: bool,
        wanted: &str,
        notes: &mut Notes<'_>,
    ) -> Option<T> {
        if found.is_none() {
            let label = match self.value.get_ref() {
                _ if type_is_right => "",
                DeValue::String(_) => "this is a text",
                DeValue::Integer(_) => "this is a number",
                DeValue::Float(_) => "this is a number with a fraction",
                DeValue::Boolean(_) => "this is true or false",
                DeValue::Datetime(_) => "this is a date",
                DeValue::Array(_) => "this is a list",
                DeValue::Table(_) => "this is a table",
            };
            let message = format!("`{}` wants {wanted}", self.name);
            notes.add(Diagnostic::error(self.span(), message).label(label));
        }
        found
    }
}

/// Adds the nearest of some names as help, if one is near.
pub fn did_you_mean<'n>(
    diagnostic: Diagnostic,
    found: &str,
    names: impl IntoIterator<Item = &'n str> + Clone,
) -> Diagnostic {
    match nearest(found, names) {
        Some(name) => diagnostic.help(format!("did you mean `{name}`?")),
        None => diagnostic,
    }
}

/// The name that a person most likely meant: one that begins so, or one that is near enough.
fn nearest<'n>(found: &str, names: impl IntoIterator<Item = &'n str> + Clone) -> Option<&'n str> {
    let mut begun = names.clone().into_iter().filter(|name| name.starts_with(found));
    begun.next().filter(|_| found.len() > 2).or_else(|| parse::did_you_mean(found, names))
}

#[cfg(test)]
mod tests {
    use super::{Notes, nearest};

    #[test]
    fn a_near_name_is_suggested_and_a_far_one_is_not() {
        assert_eq!(nearest("replicoaf", ["port", "replicaof"]), Some("replicaof"));
        assert_eq!(nearest("alfa", ["bravo", "alpha"]), Some("alpha"));
        assert_eq!(nearest("writes", ["keys", "writes-per-second"]), Some("writes-per-second"));
        assert_eq!(nearest("colour", ["port", "replicaof"]), None);
    }

    #[test]
    fn a_part_of_a_string_is_found_behind_its_quote() {
        let source = "do = \"kill alpha\"";
        let notes = Notes::new(source);
        let span = notes.within(&(5..17), "kill alpha", 5..10);
        assert_eq!(&source[span], "alpha");
    }

    #[test]
    fn a_string_with_escapes_is_underlined_whole() {
        let notes = Notes::new(r#"do = "kill\talpha""#);
        assert_eq!(notes.within(&(5..18), "kill\talpha", 5..10), 5..18);
    }
}
