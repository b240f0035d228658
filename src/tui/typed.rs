//! What a typed line does: in the palette, the console, the filters.

use crossterm::event::{Event, KeyEvent};
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler;

use super::app::{Errand, Layer, Panel, Prompt, Quit, Ui};
use super::inside;
use super::update::{Order, by_key, close, promote};
use crate::lab::look::{Ask, Sort};
use crate::lab::{self, Action, LabView, picture};

/// A key that means a letter, or moves the cursor.
pub(super) fn take(ui: &mut Ui, key: KeyEvent) {
    if let Some(Layer::Labs(labs)) = ui.layers.last_mut() {
        return labs.take(key);
    }
    if let Some(
        Layer::Palette(prompt)
        | Layer::Filter(prompt)
        | Layer::Console(prompt)
        | Layer::Pattern(prompt),
    ) = ui.layers.last_mut()
    {
        prompt.input.handle_event(&Event::Key(key));
        prompt.error = None;
    }
    if let Some(Layer::Filter(prompt)) = ui.layers.last() {
        ui.filter = prompt.input.value().to_owned();
        ui.scroll = 0;
    }
}

/// The line is complete.
pub(super) fn submit(ui: &mut Ui, view: &LabView) -> Vec<Order> {
    match ui.layers.pop() {
        Some(Layer::Palette(prompt)) => submit_action(ui, view, prompt),
        Some(Layer::Ask(question)) => by_key(question.yes),
        Some(Layer::Pattern(prompt)) => {
            inside::submit_pattern(ui, prompt.input.value().trim());
            Vec::new()
        }
        Some(Layer::Labs(labs)) => {
            ui.errand =
                labs.chosen().map(|offer| Errand::Launch { name: Some(offer.name.clone()) });
            ui.layers.push(Layer::Labs(labs));
            Vec::new()
        }
        Some(Layer::Console(prompt)) => submit_command(ui, view, prompt.input.value()),
        _ => Vec::new(),
    }
}

fn submit_action(ui: &mut Ui, view: &LabView, mut prompt: Prompt) -> Vec<Order> {
    let text = prompt.input.value().trim().to_owned();
    if text.is_empty() {
        return Vec::new();
    }
    match lab::parse::action(&text) {
        Ok(Action::Quit) => {
            ui.quit = Some(Quit::Clean);
            Vec::new()
        }
        Ok(action) => {
            remember(ui, text);
            if let Some(ask) = asked(&action) {
                if let Ask::Keys { node, .. } = &ask {
                    select(ui, view, node);
                }
                ui.look(ask);
                return Vec::new();
            }
            if let Action::Export { file } = action {
                ui.errand = Some(Errand::Export { file });
                return Vec::new();
            }
            if ui.read_only && !matches!(action, Action::Wait { .. } | Action::Expect { .. }) {
                ui.notice = Some("read-only: actions are locked".to_owned());
                return Vec::new();
            }
            match action {
                Action::Launch { topology: name } => {
                    ui.errand = Some(Errand::Launch { name });
                    Vec::new()
                }
                Action::Promote { node } => promote(ui, view, node, "palette"),
                Action::Redis { node, words } => {
                    // The answer comes to the console of the node.
                    select(ui, view, &node);
                    ui.bottom = Panel::Console;
                    vec![(Action::Redis { node, words }, "palette")]
                }
                action => vec![(action, "palette")],
            }
        }
        Err(error) => {
            prompt.error = Some(error.to_string());
            ui.layers.push(Layer::Palette(prompt));
            Vec::new()
        }
    }
}

/// What an action looks at, if it is one that only looks.
fn asked(action: &Action) -> Option<Ask> {
    match action {
        Action::Keys { node, pattern } => Some(Ask::Keys {
            node: node.clone(),
            pattern: pattern.clone().unwrap_or_default(),
            sort: Sort::default(),
        }),
        Action::Diff { a, b } => Some(Ask::Diff { a: a.clone(), b: b.clone() }),
        _ => None,
    }
}

fn submit_command(ui: &mut Ui, view: &LabView, text: &str) -> Vec<Order> {
    let Some(node) = ui.node(view).map(|node| node.name.clone()) else { return Vec::new() };
    ui.layers.push(Layer::Console(Prompt::default()));
    ui.scroll = 0;
    match text.trim() {
        "" => Vec::new(),
        "exit" | "quit" => {
            close(ui);
            Vec::new()
        }
        text => {
            remember(ui, text.to_owned());
            // The same reader as the palette's, so that quotes mean the same in both.
            match lab::parse::action(&format!("redis {node} {text}")) {
                Ok(action) => vec![(action, "palette")],
                Err(error) => {
                    ui.notice = Some(error.to_string());
                    Vec::new()
                }
            }
        }
    }
}

fn select(ui: &mut Ui, view: &LabView, node: &str) {
    ui.selected = picture::index(&view.nodes, node).unwrap_or(ui.selected);
}

fn remember(ui: &mut Ui, text: String) {
    if ui.history.last() != Some(&text) {
        ui.history.push(text);
    }
}

/// Completes the last word of the palette.
pub(super) fn complete(ui: &mut Ui, view: &LabView) {
    if let Some(Layer::Palette(prompt)) = ui.layers.last_mut() {
        let offers = lab::complete(prompt.input.value(), view);
        if let Some(text) = common_start(&offers) {
            let whole = if offers.len() == 1 { format!("{text} ") } else { text };
            prompt.input = Input::new(whole);
        }
    }
}

/// What all the texts begin with.
fn common_start(texts: &[String]) -> Option<String> {
    let (first, rest) = texts.split_first()?;
    let shared = |n: &usize| rest.iter().all(|text| text.get(..*n) == first.get(..*n));
    let ends = first.char_indices().map(|(at, c)| at + c.len_utf8());
    let end = ends.take_while(shared).last().unwrap_or(0);
    Some(first[..end].to_owned())
}

/// Fetches an earlier line, or goes back to later ones.
pub(super) fn recall(ui: &mut Ui, older: bool) {
    let Some(Layer::Palette(prompt) | Layer::Console(prompt)) = ui.layers.last_mut() else {
        return;
    };
    let place = match (prompt.recalled, older) {
        (None, true) => Some(0),
        (Some(n), true) => Some((n + 1).min(ui.history.len().saturating_sub(1))),
        (Some(n), false) if n > 0 => Some(n - 1),
        (_, false) => None,
    };
    let text = place.and_then(|n| ui.history.iter().rev().nth(n)).cloned().unwrap_or_default();
    prompt.recalled = place;
    prompt.input = Input::new(text);
}
