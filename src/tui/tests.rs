//! Frames as people see them, and keys as the script.

mod inside;
mod labs;
mod outside;
mod sentinels;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use super::app::{Layer, Panel, Quit, Ui};
use super::fixtures::{fan, healthy, scripted, syncing, troubled, twelve};
use super::theme::ThemeName;
use super::update::{Msg, Order, update};
use super::{export, view};
use crate::lab::LabView;

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 36), (160, 50)];

fn ui(width: u16, height: u16) -> Ui {
    Ui::new(Rect::new(0, 0, width, height))
}

fn frame(view: &LabView, ui: &Ui) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(ui.area.width, ui.area.height)).unwrap();
    terminal.draw(|frame| view::draw(frame, view, ui)).unwrap();
    terminal.backend().buffer().clone()
}

/// Snapshots the frame of a view at each of the sizes.
fn snapshots(name: &str, view: &LabView, change: impl Fn(&mut Ui)) {
    for (width, height) in SIZES {
        let mut ui = ui(width, height);
        change(&mut ui);
        insta::assert_snapshot!(
            format!("{name}_{width}x{height}"),
            export::text(&frame(view, &ui))
        );
    }
}

/// Types keys: letters as themselves, and `<enter>`, `<esc>`, `<tab>`, `<up>`, `<down>`, `<left>`,
/// `<right>`, `<ctrl-c>`. Gives the orders as `by: action`.
fn typed(ui: &mut Ui, view: &LabView, keys: &str) -> Vec<String> {
    let mut orders: Vec<Order> = Vec::new();
    let mut rest = keys;
    while let Some(first) = rest.chars().next() {
        let named = rest.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        let (code, modifiers, after) = match named {
            Some((name, after)) => {
                let code = match name {
                    "enter" => KeyCode::Enter,
                    "esc" => KeyCode::Esc,
                    "tab" => KeyCode::Tab,
                    "up" => KeyCode::Up,
                    "down" => KeyCode::Down,
                    "left" => KeyCode::Left,
                    "right" => KeyCode::Right,
                    "ctrl-c" => KeyCode::Char('c'),
                    other => panic!("no key is called {other}"),
                };
                let ctrl = name.starts_with("ctrl");
                let modifiers = if ctrl { KeyModifiers::CONTROL } else { KeyModifiers::NONE };
                (code, modifiers, after)
            }
            None => (KeyCode::Char(first), KeyModifiers::NONE, &rest[first.len_utf8()..]),
        };
        orders.extend(update(ui, view, Msg::Key(KeyEvent::new(code, modifiers))));
        rest = after;
    }
    orders.into_iter().map(|(action, by)| format!("{by}: {action}")).collect()
}

fn script(view: &LabView, keys: &str) -> Vec<String> {
    typed(&mut ui(120, 36), view, keys)
}

#[test]
fn a_healthy_lab() {
    snapshots("healthy", &healthy(), |_| {});
}

#[test]
fn a_cut_link_a_frozen_node_and_a_dead_one() {
    snapshots("troubled", &troubled(), |ui| ui.selected = 2);
}

#[test]
fn a_full_sync_in_progress() {
    snapshots("syncing", &syncing(), |ui| ui.selected = 1);
}

#[test]
fn a_script_with_an_expectation_that_was_not_met() {
    snapshots("scripted", &scripted(), |_| {});
}

#[test]
fn twelve_nodes() {
    snapshots("twelve", &twelve(), |ui| ui.selected = 5);
}

#[test]
fn one_primary_and_five_replicas() {
    snapshots("fan", &fan(), |_| {});
}

#[test]
fn help_has_every_key_and_word() {
    snapshots("help", &healthy(), |ui| ui.layers.push(Layer::Help { scroll: 0 }));
}

#[test]
fn the_card_of_the_first_start() {
    snapshots("card", &healthy(), |ui| ui.layers.push(Layer::Card));
}

#[test]
fn the_palette_offers_what_comes_next_and_says_what_is_wrong() {
    let view = healthy();
    let mut ui = ui(80, 24);
    typed(&mut ui, &view, ":cut alpha ");
    insta::assert_snapshot!("palette_offers", export::text(&frame(&view, &ui)));
    typed(&mut ui, &view, "<esc>:cutt alpha<enter>");
    insta::assert_snapshot!("palette_error", export::text(&frame(&view, &ui)));
}

#[test]
fn detail_fills_a_small_screen_on_enter() {
    let view = troubled();
    let mut ui = ui(80, 24);
    typed(&mut ui, &view, "3<enter>");
    insta::assert_snapshot!("detail_80x24", export::text(&frame(&view, &ui)));
    typed(&mut ui, &view, "<esc>");
    assert!(!ui.expanded);
}

#[test]
fn ascii_draws_nothing_else() {
    for (width, height) in SIZES {
        let mut ui = ui(width, height);
        ui.ascii = true;
        let text = export::text(&frame(&troubled(), &ui));
        assert!(text.is_ascii(), "{text}");
    }
    let mut ui = ui(80, 24);
    ui.ascii = true;
    insta::assert_snapshot!("ascii_80x24", export::text(&frame(&troubled(), &ui)));
}

#[test]
fn monochrome_uses_no_colour() {
    use ratatui::style::Color;
    let mut ui = ui(120, 36);
    ui.theme_name = ThemeName::Monochrome;
    let buffer = frame(&troubled(), &ui);
    assert!(buffer.content().iter().all(|cell| (cell.fg, cell.bg) == (Color::Reset, Color::Reset)));
}

#[test]
fn a_terminal_that_is_too_small_is_told_so() {
    let text = export::text(&frame(&healthy(), &ui(59, 20)));
    assert!(text.contains("terminal too small") && text.contains("(59x20, need 60x16)"), "{text}");
    let text = export::text(&frame(&healthy(), &ui(60, 16)));
    assert!(text.contains("alpha"), "{text}");
}

#[test]
fn no_size_and_no_view_panics() {
    let views = [LabView::default(), healthy(), troubled(), twelve()];
    for view in &views {
        for (width, height) in [
            (0, 0),
            (1, 1),
            (12, 3),
            (80, 8),
            (80, 12),
            (60, 16),
            (61, 17),
            (109, 16),
            (110, 16),
            (300, 100),
        ] {
            for keys in ["", "?", ":", "c", "L", "e", "<enter>e", "/x"] {
                let mut ui = ui(width, height);
                typed(&mut ui, view, keys);
                frame(view, &ui);
                for msg in [Msg::Click(0, height / 2), Msg::Click(1, height.saturating_sub(1))] {
                    update(&mut ui, view, msg);
                }
                update(&mut ui, view, Msg::Wheel(1, height / 2, 3));
                frame(view, &ui);
            }
        }
    }
}

#[test]
fn wide_names_do_not_move_borders() {
    let mut view = healthy();
    view.nodes[1].name = "接続接続接続接続接続接続".into();
    for (width, height) in SIZES {
        let text = export::text(&frame(&view, &ui(width, height)));
        let last = text.lines().nth(1).unwrap().width();
        assert!(text.lines().skip(1).take(8).all(|line| line.width() == last), "{text}");
    }
}

#[test]
fn fault_keys_speak_of_the_selected_node() {
    let view = healthy();
    assert_eq!(script(&view, "K"), ["key: kill alpha"]);
    assert_eq!(script(&view, "2r"), ["key: restart bravo"]);
    assert_eq!(script(&view, "2z"), ["key: pause bravo"]);
    assert_eq!(script(&view, "2P"), ["key: power-loss bravo"]);
    assert_eq!(script(&view, "2X"), ["key: isolate bravo"]);
    assert_eq!(script(&view, "2s"), ["key: promote bravo"]);
    assert_eq!(script(&view, "3x"), ["key: cut alpha charlie"]);
}

#[test]
fn keys_that_undo_say_the_opposite_of_what_is() {
    let view = troubled();
    assert_eq!(script(&view, "2z"), ["key: resume bravo"]);
    assert_eq!(script(&view, "3x"), ["key: heal alpha charlie"]);
    assert_eq!(script(&view, "H"), ["key: heal"]);
    assert_eq!(script(&view, "u"), ["key: undo"]);
}

#[test]
fn keys_that_make_no_sense_now_do_nothing_and_say_so() {
    let view = troubled();
    let mut ui = ui(80, 24);
    assert!(typed(&mut ui, &view, "4K").is_empty());
    assert_eq!(ui.notice.as_deref(), Some("kill does not apply to delta now"));
    assert!(script(&healthy(), "s").is_empty(), "alpha is a primary already");
    assert!(script(&healthy(), "H").is_empty(), "no link has a fault");
}

#[test]
fn an_ambiguous_link_asks_for_the_peer() {
    let view = healthy();
    assert_eq!(script(&view, "xcharlie<enter>"), ["palette: cut alpha charlie"]);
}

#[test]
fn keys_that_need_a_number_or_a_name_open_the_palette() {
    let view = healthy();
    assert_eq!(script(&view, "2d50ms<enter>"), ["palette: delay alpha->bravo 50ms"]);
    assert_eq!(script(&view, "3fbr<tab><enter>"), ["palette: replicaof charlie bravo"]);
    assert_eq!(script(&view, "w200/s<enter>"), ["palette: write 200/s"]);
}

#[test]
fn a_script_is_held_and_done_step_by_step() {
    let mut view = scripted();
    assert_eq!(script(&view, "n"), ["key: next"]);
    assert_eq!(script(&view, "N"), ["key: hold"]);
    view.is_held = true;
    assert_eq!(script(&view, "N"), ["key: go"]);
    assert!(script(&healthy(), "nN").is_empty(), "there is no script");
}

#[test]
fn what_a_command_of_the_palette_answers_is_shown() {
    let view = healthy();
    let mut ui = ui(80, 24);
    assert_eq!(typed(&mut ui, &view, ":redis bravo PING<enter>"), ["palette: redis bravo PING"]);
    assert_eq!((ui.bottom, ui.selected), (Panel::Console, 1));
}

#[test]
fn the_palette_takes_actions_and_keeps_what_it_does_not_understand() {
    let view = healthy();
    let mut ui = ui(80, 24);
    assert!(typed(&mut ui, &view, ":kil alpha<enter>").is_empty());
    assert!(matches!(ui.layers.last(), Some(Layer::Palette(prompt)) if prompt.error.is_some()));
    assert!(typed(&mut ui, &view, "<esc>").is_empty());
    assert_eq!(typed(&mut ui, &view, ":kill bravo<enter>"), ["palette: kill bravo"]);
    assert_eq!(typed(&mut ui, &view, ":<up><enter>"), ["palette: kill bravo"]);
}

#[test]
fn the_console_speaks_to_the_selected_node() {
    let view = healthy();
    let mut ui = ui(80, 24);
    assert_eq!(typed(&mut ui, &view, "2cGET k<enter>"), ["palette: redis bravo GET k"]);
    assert_eq!(ui.bottom, Panel::Console);
    typed(&mut ui, &view, "exit<enter>");
    assert_eq!((ui.bottom, ui.focus, ui.layers.len()), (Panel::Timeline, Panel::Topology, 0));
}

#[test]
fn read_only_locks_the_keys_that_break_things() {
    let view = healthy();
    let mut ui = ui(80, 24);
    ui.read_only = true;
    assert!(typed(&mut ui, &view, "KrzxXsw:kill alpha<enter>cFLUSHALL<enter>").is_empty());
    let text = export::text(&frame(&view, &ui));
    assert!(text.contains("READ-ONLY"), "{text}");
}

#[test]
fn arrows_walk_the_tree() {
    let view = healthy();
    let mut ui = ui(120, 36);
    let mut walk = |keys: &str| {
        typed(&mut ui, &view, keys);
        view.nodes[ui.selected].name.clone()
    };
    assert_eq!(walk("j"), "bravo");
    assert_eq!(walk("l"), "charlie");
    assert_eq!(walk("h"), "bravo");
    assert_eq!(walk("<down>"), "delta");
    assert_eq!(walk("<up><up>"), "alpha");
    assert_eq!(walk("G"), "delta");
    assert_eq!(walk("3"), "charlie");
    assert_eq!(walk("9"), "charlie");
}

#[test]
fn copying_hands_the_command_to_the_terminal() {
    let mut ui = ui(80, 24);
    typed(&mut ui, &healthy(), "2y");
    assert_eq!(ui.clipboard.as_deref(), Some("redis-cli -p 6402"));
}

#[test]
fn quitting_asks_nothing_and_ctrl_c_quits_from_anywhere() {
    for (keys, quit) in [
        ("q", Quit::Clean),
        ("Q", Quit::KeepFrame),
        ("?<ctrl-c>", Quit::Clean),
        (":cut<ctrl-c>", Quit::Clean),
        ("c<ctrl-c>", Quit::Clean),
    ] {
        let mut ui = ui(80, 24);
        typed(&mut ui, &healthy(), keys);
        assert_eq!(ui.quit, Some(quit), "{keys}");
    }
}

#[test]
fn the_filter_keeps_only_rows_with_its_text() {
    let view = troubled();
    let mut ui = ui(160, 50);
    typed(&mut ui, &view, "/delta<enter>");
    let text = export::text(&frame(&view, &ui));
    assert!(text.contains("SIGKILL") && !text.contains("dataset"), "{text}");
    typed(&mut ui, &view, "<esc>");
    assert!(ui.filter.is_empty());
}

#[test]
fn the_mouse_selects_nodes_and_presses_footer_keys() {
    let view = healthy();
    let mut ui = ui(120, 36);
    let text = export::text(&frame(&view, &ui));
    let find = |word: &str| {
        let (y, line) = text.lines().enumerate().find(|(_, line)| line.contains(word)).unwrap();
        (line[..line.find(word).unwrap()].width() as u16, y as u16)
    };
    let (x, y) = find("charlie :6403");
    update(&mut ui, &view, Msg::Click(x, y));
    assert_eq!(ui.selected, 2);
    let (_, y) = find("K kill");
    let text = export::text(&frame(&view, &ui));
    let line = text.lines().nth(usize::from(y)).unwrap();
    let x = line[..line.find("K kill").unwrap()].width() as u16;
    let orders = update(&mut ui, &view, Msg::Click(x, y));
    assert_eq!(orders[0].0.to_string(), "kill charlie");
}
