//! Streams against a sorted map, and what the real server counts.

use std::collections::BTreeMap;

use super::*;
use crate::base::rng::Dice;

type Model = BTreeMap<StreamId, Vec<[String; 2]>>;

fn entry_of(entry: &Entry<'_>) -> (StreamId, Vec<[String; 2]>) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (entry.id, entry.pairs().map(|(field, value)| [text(&field), text(&value)]).collect())
}

fn model_range(model: &Model, from: StreamId, to: StreamId) -> Vec<(StreamId, Vec<[String; 2]>)> {
    if from > to {
        return Vec::new();
    }
    model.range(from..=to).map(|(id, pairs)| (*id, pairs.clone())).collect()
}

fn append(stream: &mut Stream, id: StreamId, pairs: &[[String; 2]], max: BlockMax) {
    let pairs: Vec<_> = pairs.iter().map(|[f, v]| [f.as_bytes(), v.as_bytes()]).collect();
    stream.push(id, &pairs, max);
}

fn some_pairs(dice: &mut Dice) -> Vec<[String; 2]> {
    let fields = 1 + dice.below(3);
    let same = dice.chance(2, 3);
    (0..fields)
        .map(|n| {
            let name = if same { format!("f{n}") } else { dice.below(100_000).to_string() };
            [name, "x1".repeat(dice.below(40) as usize)]
        })
        .collect()
}

#[test]
fn behaves_like_a_sorted_map_and_knows_its_bytes() {
    let mut dice = Dice::new(9);
    let max = BlockMax { bytes: 600, entries: 8 };
    let (mut stream, mut model) = (Stream::default(), Model::new());
    let mut snapshot = (stream.clone(), model.clone());
    for round in 0..4000 {
        let some_id =
            |dice: &mut Dice| StreamId::new(dice.below(stream.last_id.ms + 2), dice.below(3));
        let (a, b) = (some_id(&mut dice), some_id(&mut dice));
        match dice.below(12) {
            0..3 => assert_eq!(stream.delete(a), model.remove(&a).is_some()),
            3 if dice.chance(1, 3) => {
                let kept = dice.below(60);
                let removed = stream.trim(Keep::Newest(kept), Trimming::Exact);
                assert_eq!(removed, model.len().saturating_sub(kept as usize));
                (0..removed).for_each(|_| drop(model.pop_first()));
            }
            4 if dice.chance(1, 10) => {
                let kept = model.split_off(&a);
                assert_eq!(stream.trim(Keep::From(a), Trimming::Exact), model.len());
                model = kept;
            }
            _ => {
                let (skip, seq) = (dice.below(3), dice.below(3));
                let id = StreamId::new(stream.last_id.ms + skip, seq);
                if id > stream.last_id {
                    let pairs = some_pairs(&mut dice);
                    append(&mut stream, id, &pairs, max);
                    model.insert(id, pairs);
                }
            }
        }
        let expected = model_range(&model, a, b);
        assert_eq!(stream.range(a, b).map(|e| entry_of(&e)).collect::<Vec<_>>(), expected);
        let mut back: Vec<_> = stream.range_back(a, b).map(|e| entry_of(&e)).collect();
        back.reverse();
        assert_eq!(back, expected);
        assert_eq!(stream.get(a).map(|e| e.id), model.get(&a).map(|_| a));
        assert_eq!(stream.len(), model.len());
        assert_eq!(stream.first_id(), model.keys().next().copied().unwrap_or_default());
        assert_eq!(stream.top_id(), model.keys().last().copied().unwrap_or_default());
        assert_eq!(stream.heap_bytes, stream.blocks.iter().map(|b| b.heap_bytes()).sum::<usize>());
        if round % 500 == 0 {
            let all = snapshot.0.range(StreamId::MIN, StreamId::MAX);
            assert!(all.map(|e| entry_of(&e)).eq(snapshot.1));
            snapshot = (stream.clone(), model.clone());
        }
    }
    assert!(stream.blocks.len() > 5);
}

#[test]
fn blocks_come_back_from_their_bytes() {
    let mut dice = Dice::new(3);
    let mut stream = Stream::default();
    for ms in 1..2000 {
        let pairs = some_pairs(&mut dice);
        append(&mut stream, StreamId::new(ms, 0), &pairs, BlockMax::default());
    }
    (1..700).step_by(3).for_each(|ms| assert!(stream.delete(StreamId::new(ms, 0))));
    stream.trim(Keep::Newest(1500), Trimming::Exact);
    let mut back = Stream {
        last_id: stream.last_id,
        max_deleted_id: stream.max_deleted_id,
        entries_added: stream.entries_added,
        ..Stream::default()
    };
    for (first, bytes) in stream.blocks() {
        back.push_block(first, bytes.to_vec()).unwrap();
    }
    assert_eq!(back, stream);
    assert_eq!(back.len(), 1500);
}

#[test]
fn a_last_id_that_was_set_back_leaves_a_stream_that_comes_back() {
    let id = |ms| StreamId::new(ms, 0);
    let mut stream = Stream::default();
    let push = |stream: &mut Stream, ms| stream.push(id(ms), &[[b"f", b"v"]], BlockMax::default());
    [1, 5, 9].into_iter().for_each(|ms| push(&mut stream, ms));
    stream.delete(id(9));
    stream.last_id = id(5);
    [6, 7].into_iter().for_each(|ms| push(&mut stream, ms));
    let ids = |stream: &Stream, from, to| -> Vec<u64> {
        stream.range(id(from), id(to)).map(|entry| entry.id.ms).collect()
    };
    assert_eq!((ids(&stream, 0, 99), ids(&stream, 6, 6)), (vec![1, 5, 6, 7], vec![6]));
    let mut back = Stream::default();
    for (first, bytes) in stream.blocks() {
        back.push_block(first, bytes.to_vec()).unwrap();
    }
    assert_eq!(ids(&back, 0, 99), [1, 5, 6, 7]);

    // All that is left of these is a block of deleted ones.
    stream.delete(id(7));
    assert_eq!(stream.trim(Keep::From(id(7)), Trimming::Exact), 3);
    assert_eq!((stream.len(), stream.blocks().len()), (0, 1));
    stream.last_id = id(2);
    push(&mut stream, 3);
    assert_eq!((ids(&stream, 0, 4), stream.len(), stream.blocks().len()), (vec![3], 1, 1));
    assert_eq!(stream.heap_bytes, stream.blocks.iter().map(|b| b.heap_bytes()).sum::<usize>());
}

#[test]
fn every_change_of_a_block_is_refused_or_read_and_never_panics() {
    let mut stream = Stream::default();
    for ms in 1..5 {
        let pair = [[&b"field"[..], b"1234"], [b"g", b"value"]];
        stream.push(StreamId::new(ms, 7), &pair[..=(ms as usize % 2)], BlockMax::default());
    }
    stream.delete(StreamId::new(2, 7));
    let (first, bytes) = stream.blocks().next().unwrap();
    for index in 0..bytes.len() {
        for change in 1..=255 {
            let mut bytes = bytes.to_vec();
            bytes[index] ^= change;
            let mut changed = Stream::default();
            if changed.push_block(first, bytes).is_ok() {
                let all = changed.range(StreamId::MIN, StreamId::MAX);
                assert_eq!(all.filter(|e| e.pairs().count() == e.len()).count(), changed.len());
            }
        }
    }
}

#[test]
fn a_block_ends_after_a_hundred_entries_or_4_kb() {
    let mut stream = Stream::default();
    for ms in 1..=250 {
        stream.push(StreamId::new(ms, 0), &[[b"f", b"v"]], BlockMax::default());
    }
    assert_eq!(stream.blocks().len(), 3);
    assert_eq!(stream.trim(Keep::Newest(120), Trimming::Blocks { entries_max: 0 }), 100);
    let large = [b'x'; 1500];
    for ms in 251..=254 {
        stream.push(StreamId::new(ms, 0), &[[b"f", &large]], BlockMax::default());
    }
    assert_eq!(stream.blocks().map(|(first, _)| first.ms).collect::<Vec<_>>(), [101, 201, 253]);
}

#[test]
fn the_nodes_of_the_radix_tree_are_counted() {
    let id = |ms, seq| StreamId::new(ms, seq).to_bytes();
    assert_eq!(tree_nodes(&[], 0), 1);
    assert_eq!(tree_nodes(&[id(1, 0)], 0), 2);
    // Shared, parting, and for each what remains and a leaf.
    assert_eq!(tree_nodes(&[id(1, 0), id(2, 0)], 0), 6);
    // They part in the last byte: nothing remains.
    assert_eq!(tree_nodes(&[id(1, 0), id(1, 1), id(1, 2)], 0), 5);
}

#[test]
fn a_group_knows_whose_an_entry_is() {
    let mut group = Group::new(StreamId::MIN, None);
    let pending = |name: &str| Pending {
        consumer: Blob::from(name.as_bytes()),
        delivered_at: 1,
        deliveries: 1,
    };
    let (one, two) = (StreamId::new(1, 0), StreamId::new(2, 0));
    assert!(group.create_consumer(b"a", 5) && !group.create_consumer(b"a", 6));
    group.see_consumer(b"b", 7);
    assert!(group.assign(one, pending("a")) && group.assign(two, pending("a")));
    assert!(group.assign(one, pending("b")) && !group.assign(one, pending("nobody")));
    let owned = |group: &Group, name: &[u8]| -> Vec<u64> {
        group.consumers()[name].pending().iter().map(|id| id.ms).collect()
    };
    assert_eq!((owned(&group, b"a"), owned(&group, b"b")), (vec![2], vec![1]));
    assert!(group.release(one).is_some() && group.release(one).is_none());
    assert!(owned(&group, b"b").is_empty());
    assert_eq!(group.remove_consumer(b"a").map(|c| c.pending().len()), Some(1));
    assert!(group.pending().is_empty());
}
