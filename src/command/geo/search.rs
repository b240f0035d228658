//! Finding the members in a circle or a box.

use super::cell::{Angle, Cell, EARTH_RADIUS_METERS, Place};
use crate::keyspace::Blob;
use crate::keyspace::types::Zset;

/// What is searched, in metres, around a centre.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Shape {
    Circle { radius: f64 },
    Box { width: f64, height: f64 },
}

/// A member that was found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub member: Blob,
    pub score: f64,
    pub place: Place,
    /// Metres from the centre.
    pub distance: f64,
}

/// The members in a shape around `centre`; no more than `max`. They come cell by cell: first the
/// one around the centre, then those around it.
pub(super) fn search(zset: &Zset, centre: Place, shape: Shape, max: usize) -> Vec<Found> {
    let mut found = Vec::new();
    let mut before = None;
    for cell in cells(centre, shape) {
        // In a very coarse grid, neighbours can be the same.
        if before.replace(cell) == Some(cell) {
            continue;
        }
        let (start, end) = cell.scores();
        let range =
            zset.count_before(|score, _| score < start)..zset.count_before(|score, _| score < end);
        for (member, score) in zset.range(range) {
            if found.len() >= max {
                return found;
            }
            let place = Place::of_score(score);
            if let Some(distance) = shape.distance(centre, place) {
                found.push(Found { member: member.clone(), score, place, distance });
            }
        }
    }
    found
}

/// The degrees that a shape reaches to.
struct Bounds {
    west: f64,
    south: f64,
    east: f64,
    north: f64,
}

impl Shape {
    /// How far a place is from the centre, if it is inside.
    fn distance(self, centre: Place, place: Place) -> Option<f64> {
        match self {
            Self::Circle { radius } => {
                Some(centre.distance(place)).filter(|distance| *distance <= radius)
            }
            Self::Box { width, height } => {
                let beside = Place { longitude: centre.longitude, ..place };
                let is_inside = place.distance_north(centre) <= height / 2.0
                    && place.distance(beside) <= width / 2.0;
                is_inside.then(|| centre.distance(place))
            }
        }
    }

    /// The distance of the farthest point.
    fn reach(self) -> f64 {
        match self {
            Self::Circle { radius } => radius,
            Self::Box { width, height } => {
                let (width, height) = (width / 2.0, height / 2.0);
                (width * width + height * height).sqrt()
            }
        }
    }

    fn bounds(self, centre: Place) -> Bounds {
        let (width, height) = match self {
            Self::Circle { radius } => (radius, radius),
            Self::Box { width, height } => (width / 2.0, height / 2.0),
        };
        let Place { longitude, latitude } = centre;
        let north = (height / EARTH_RADIUS_METERS).to_deg();
        // Circles of latitude are shorter towards the poles.
        let outer = if latitude < 0.0 { latitude - north } else { latitude + north };
        let east = (width / EARTH_RADIUS_METERS / outer.to_rad().cos()).to_deg();
        Bounds {
            west: longitude - east,
            south: latitude - north,
            east: longitude + east,
            north: latitude + north,
        }
    }
}

/// The cells that a shape may reach into, the centre's first.
fn cells(centre: Place, shape: Shape) -> Vec<Cell> {
    const AROUND: [(i32, i32); 8] =
        [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)];
    let bounds = shape.bounds(centre);
    let mut steps = steps_for(shape.reach(), centre.latitude);
    let cell = Cell::of(centre, steps);
    let falls_short = cell.neighbour(1, 0).latitudes().max < bounds.north
        || cell.neighbour(-1, 0).latitudes().min > bounds.south
        || cell.neighbour(0, 1).longitudes().max < bounds.east
        || cell.neighbour(0, -1).longitudes().min > bounds.west;
    if steps > 1 && falls_short {
        steps -= 1;
    }
    let cell = Cell::of(centre, steps);
    let (latitudes, longitudes) = (cell.latitudes(), cell.longitudes());
    let is_needed = |(north, east): (i32, i32)| {
        steps < 2
            || !((north < 0 && latitudes.min < bounds.south)
                || (north > 0 && latitudes.max > bounds.north)
                || (east < 0 && longitudes.min < bounds.west)
                || (east > 0 && longitudes.max > bounds.east))
    };
    let around = AROUND.into_iter().filter(|way| is_needed(*way));
    let around = around.map(|(north, east)| cell.neighbour(north, east));
    std::iter::once(cell).chain(around).collect()
}

/// How fine a grid may be for nine of its cells to hold a circle.
fn steps_for(radius: f64, latitude: f64) -> u32 {
    const MAP_HALF_WIDTH_METERS: f64 = 20_037_726.37;
    if radius == 0.0 {
        return super::cell::STEPS_MAX;
    }
    let mut steps: u32 = 1;
    let mut radius = radius;
    while radius < MAP_HALF_WIDTH_METERS {
        radius *= 2.0;
        steps += 1;
    }
    let toward_pole = u32::from(latitude.abs() > 66.0) + u32::from(latitude.abs() > 80.0);
    steps.saturating_sub(2 + toward_pole).clamp(1, super::cell::STEPS_MAX)
}
