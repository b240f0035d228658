//! `bind 127.0.0.1 -::1`: where clients are listened for.

use super::{Config, table};

/// Redis takes no more.
const ADDRESSES_MAX: usize = 16;

/// One word of `bind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindAddress<'a> {
    /// The address as it was written, without the sign.
    pub written: &'a str,
    /// `-`: this machine may lack it.
    pub is_optional: bool,
    /// The address of this machine that it stands for: itself, or a loopback address instead of
    /// all there are. Any other is not listened on.
    pub local: Option<&'a str>,
}

impl Config {
    /// Where clients are listened for.
    pub fn bind_addresses(&self) -> Vec<BindAddress<'_>> {
        table::find("bind").map_or_else(Vec::new, |directive| addresses(self.stored(directive)))
    }
}

fn addresses(text: &str) -> Vec<BindAddress<'_>> {
    let words = text.split(' ').filter(|_| !text.is_empty());
    words
        .map(|word| {
            let written = word.strip_prefix('-').unwrap_or(word);
            let local = match written {
                "*" | "0.0.0.0" | "localhost" => Some("127.0.0.1"),
                "::*" | "::" => Some("::1"),
                _ => Some(written).filter(|at| *at == "::1" || at.starts_with("127.")),
            };
            BindAddress { written, is_optional: word.starts_with('-'), local }
        })
        .collect()
}

/// `bind`, as a file has it.
pub(super) fn bind(_: &Config, words: &[String]) -> Result<String, String> {
    if words.len() > ADDRESSES_MAX {
        return Err("Too many bind addresses specified.".to_owned());
    }
    Ok(words.join(" "))
}

/// Whether a running node could listen there.
pub(super) fn can_listen(all: &[BindAddress<'_>]) -> bool {
    let is_once = |local| all.iter().filter(|other| other.local == local).count() == 1;
    all.iter().all(|address| match address.local {
        Some(_) => is_once(address.local),
        None => address.is_optional,
    })
}

#[cfg(test)]
mod tests {
    use super::{addresses, can_listen};

    #[test]
    fn only_loopback_addresses_are_listened_on() {
        let locals = |text| addresses(text).iter().map(|a| a.local).collect::<Vec<_>>();
        assert_eq!(locals("* -::*"), [Some("127.0.0.1"), Some("::1")]);
        assert_eq!(locals("127.0.0.2 -10.0.0.1 x"), [Some("127.0.0.2"), None, None]);
        assert_eq!(locals(""), []);
        assert!(addresses("127.0.0.1 -::1")[1].is_optional);
    }

    #[test]
    fn a_running_node_is_not_told_to_listen_where_it_cannot() {
        for text in ["127.0.0.1 ::1", "-10.0.0.1", "", "localhost"] {
            assert!(can_listen(&addresses(text)), "{text}");
        }
        for text in ["10.0.0.1", "127.0.0.1 127.0.0.1", "127.0.0.1  ::1", "nosuch.host", "  "] {
            assert!(!can_listen(&addresses(text)), "{text}");
        }
    }
}
