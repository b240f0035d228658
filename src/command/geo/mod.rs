//! Places on the globe: sorted sets whose scores are geohashes.
//!
//! `cell.rs` knows the grid, `search.rs` finds what is near, `ask.rs` reads what a search is asked
//! for.

mod ask;
mod cell;
mod rows;
mod search;

pub(super) use self::rows::COMMANDS;

use self::ask::Ask;
use self::cell::{LATITUDES, LONGITUDES, Place};
use self::search::Found;
use super::options::score;
use super::zset::zadd;
use super::{Call, CommandError, event};
use crate::keyspace::types::{Collection, Zset};

const NO_UNIT: CommandError =
    CommandError::fixed("ERR unsupported unit provided. please use M, KM, FT, MI");

fn place_at(call: &Call<'_>, index: usize) -> Result<Place, CommandError> {
    let longitude = score(call.arg(index)).ok_or(CommandError::NOT_A_FLOAT)?;
    let latitude = score(call.arg(index + 1)).ok_or(CommandError::NOT_A_FLOAT)?;
    if !LONGITUDES.contains(longitude) || !LATITUDES.contains(latitude) {
        return Err(CommandError::new(format!(
            "ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}"
        )));
    }
    Ok(Place { longitude, latitude })
}

/// How many metres a unit is.
fn unit_at(call: &Call<'_>, index: usize) -> Result<f64, CommandError> {
    match call.arg(index).to_ascii_lowercase().as_slice() {
        b"m" => Ok(1.0),
        b"km" => Ok(1000.0),
        b"ft" => Ok(0.3048),
        b"mi" => Ok(1609.34),
        _ => Err(NO_UNIT),
    }
}

fn reply_distance(call: &mut Call<'_>, distance: f64) {
    call.reply.bulk(format!("{distance:.4}"));
}

fn reply_place(call: &mut Call<'_>, place: Place) {
    call.reply.array(2);
    for degrees in [place.longitude, place.latitude] {
        let text = format!("{degrees:.17}");
        call.reply.double(text.trim_end_matches('0').trim_end_matches('.'));
    }
}

/// GEOADD is ZADD with places for scores, and is replicated as such.
fn geoadd(call: &mut Call<'_>) -> Result<(), CommandError> {
    let is_option = |index: &usize| ["NX", "XX", "CH"].iter().any(|word| call.is(*index, word));
    let first = (2..call.args.len()).find(|index| !is_option(index)).unwrap_or(call.args.len());
    let options = &call.args[2..first];
    let has = |word: &str| options.iter().any(|o| o.eq_ignore_ascii_case(word.as_bytes()));
    if !(call.args.len() - first).is_multiple_of(3) || (has("NX") && has("XX")) {
        return Err(CommandError::SYNTAX);
    }
    let places = (first..call.args.len()).step_by(3).map(|index| place_at(call, index));
    let places: Vec<_> = places.collect::<Result<_, _>>()?;
    let scores: Vec<_> = places.iter().map(|place| (place.score() as i64).to_string()).collect();
    let mut words = vec![b"zadd".as_slice(), call.arg(1)];
    words.extend(options);
    for (score, member) in scores.iter().zip(call.args[first..].chunks_exact(3)) {
        words.extend([score.as_bytes(), member[2]]);
    }
    call.with_words(&words, zadd)?;
    call.replicate_as(&words);
    Ok(())
}

fn geopos(call: &mut Call<'_>) -> Result<(), CommandError> {
    let zset = call.read_as::<Zset>(call.arg(1))?.unwrap_or_default();
    call.reply.array(call.args.len() - 2);
    for member in &call.args[2..] {
        match zset.score(member) {
            Some(score) => reply_place(call, Place::of_score(score)),
            None => call.reply.null_array(),
        }
    }
    Ok(())
}

fn geohash(call: &mut Call<'_>) -> Result<(), CommandError> {
    let zset = call.read_as::<Zset>(call.arg(1))?.unwrap_or_default();
    call.reply.array(call.args.len() - 2);
    for member in &call.args[2..] {
        match zset.score(member) {
            Some(score) => call.reply.bulk(Place::of_score(score).name()),
            None => call.reply.null(),
        }
    }
    Ok(())
}

fn geodist(call: &mut Call<'_>) -> Result<(), CommandError> {
    let unit = match call.args.len() {
        4 => 1.0,
        5 => unit_at(call, 4)?,
        _ => return Err(CommandError::SYNTAX),
    };
    let zset = call.read_as::<Zset>(call.arg(1))?.unwrap_or_default();
    match (zset.score(call.arg(2)), zset.score(call.arg(3))) {
        (Some(a), Some(b)) => {
            reply_distance(call, Place::of_score(a).distance(Place::of_score(b)) / unit);
        }
        _ => call.reply.null(),
    }
    Ok(())
}

fn geosearch(call: &mut Call<'_>) -> Result<(), CommandError> {
    run(call, Ask::of_search)
}

fn geosearchstore(call: &mut Call<'_>) -> Result<(), CommandError> {
    run(call, Ask::of_search_store)
}

fn georadius(call: &mut Call<'_>) -> Result<(), CommandError> {
    run(call, |call, zset| Ask::of_radius(call, zset, true))
}

fn georadius_ro(call: &mut Call<'_>) -> Result<(), CommandError> {
    run(call, |call, zset| Ask::of_radius(call, zset, false))
}

fn georadiusbymember(call: &mut Call<'_>) -> Result<(), CommandError> {
    run(call, |call, zset| Ask::of_radius_by_member(call, zset, true))
}

fn georadiusbymember_ro(call: &mut Call<'_>) -> Result<(), CommandError> {
    run(call, |call, zset| Ask::of_radius_by_member(call, zset, false))
}

type Read<'a> = fn(&Call<'a>, Option<&Zset>) -> Result<Ask<'a>, CommandError>;

fn run<'a>(call: &mut Call<'a>, read: Read<'a>) -> Result<(), CommandError> {
    // Only GEOSEARCHSTORE has the key that it reads in second place.
    let source = call.arg(if call.is(0, "GEOSEARCHSTORE") { 2 } else { 1 });
    let zset = call.read_as::<Zset>(source)?;
    let ask = read(call, zset.as_deref())?;
    let mut found = Vec::new();
    if let (Some(zset), Some(centre)) = (&zset, ask.centre) {
        let max = if ask.any { ask.count.unwrap_or(usize::MAX) } else { usize::MAX };
        found = search::search(zset, centre, ask.shape, max);
    }
    let by_distance = |a: &Found, b: &Found| a.distance.total_cmp(&b.distance);
    match ask.order {
        Some(ask::Order::NearestFirst) => found.sort_by(by_distance),
        Some(ask::Order::FarthestFirst) => found.sort_by(|a, b| by_distance(b, a)),
        None => {}
    }
    found.truncate(ask.count.unwrap_or(usize::MAX));
    found.iter_mut().for_each(|found| found.distance /= ask.unit);
    match ask.target {
        Some(target) => store(call, target, &found, ask.store_distances),
        None => reply(call, &ask, &found),
    }
    Ok(())
}

fn store(call: &mut Call<'_>, target: &[u8], found: &[Found], distances: bool) {
    let members = found
        .iter()
        .map(|found| (found.member.clone(), if distances { found.distance } else { found.score }));
    let zset: Zset = members.collect();
    if zset.is_empty() {
        call.delete(target);
    } else {
        call.store(target, zset.into_value(), false);
        let is_search = call.is(0, "GEOSEARCHSTORE");
        let event = if is_search { "geosearchstore" } else { "georadiusstore" };
        call.notify(event::ZSET, event, target);
    }
    call.reply.count(found.len());
}

fn reply(call: &mut Call<'_>, ask: &Ask<'_>, found: &[Found]) {
    let extras = [ask.with_distance, ask.with_hash, ask.with_place];
    let extras = extras.into_iter().filter(|wanted| *wanted).count();
    call.reply.array(found.len());
    for found in found {
        if extras > 0 {
            call.reply.array(extras + 1);
        }
        call.reply.bulk(&found.member);
        if ask.with_distance {
            reply_distance(call, found.distance);
        }
        if ask.with_hash {
            call.reply.int(found.score as i64);
        }
        if ask.with_place {
            reply_place(call, found.place);
        }
    }
}
