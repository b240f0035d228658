//! Geohashes: a place on the globe as the numbers of a row and a column, their bits interleaved.
//!
//! With 26 bits each, the result fits the score of a sorted set without loss. Members whose scores
//! begin with the same bits lie in the same cell of a coarser grid, so that a search looks at the
//! cell around its centre and at the eight around that one.

use crate::base::number;

/// Longitudes that can be kept.
pub(super) const LONGITUDES: Span = Span { min: -180.0, max: 180.0 };
/// Latitudes that can be kept: where the map of Web Mercator ends.
pub(super) const LATITUDES: Span = Span { min: -85.051_128_78, max: 85.051_128_78 };

/// Bits of a column's and of a row's number in a score.
pub(super) const STEPS_MAX: u32 = 26;

/// A range of degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    pub min: f64,
    pub max: f64,
}

impl Span {
    pub fn contains(self, degrees: f64) -> bool {
        (self.min..=self.max).contains(&degrees)
    }

    /// Which of `2^steps` equal parts a degree is in.
    fn part_of(self, degrees: f64, steps: u32) -> u32 {
        ((degrees - self.min) / (self.max - self.min) * f64::from(1 << steps)) as u32
    }

    fn part(self, number: u32, steps: u32) -> Self {
        let (scale, parts) = (self.max - self.min, f64::from(1 << steps));
        let edge = |number: f64| self.min + number / parts * scale;
        Self { min: edge(f64::from(number)), max: edge(f64::from(number) + 1.0) }
    }

    fn middle(self, limits: Self) -> f64 {
        f64::midpoint(self.min, self.max).clamp(limits.min, limits.max)
    }
}

/// A place on the globe, in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    pub longitude: f64,
    pub latitude: f64,
}

impl Place {
    /// The middle of the finest cell of a score.
    pub fn of_score(score: f64) -> Self {
        let bits = number::c_u64(score);
        let cell = Cell { row: gather(bits), column: gather(bits >> 1), steps: STEPS_MAX };
        let longitude = cell.longitudes().middle(LONGITUDES);
        Self { longitude, latitude: cell.latitudes().middle(LATITUDES) }
    }

    pub fn score(self) -> f64 {
        Cell::around(self, STEPS_MAX, LATITUDES).bits() as f64
    }

    /// Metres between two places, on a ball of the Earth's mean radius.
    pub fn distance(self, other: Self) -> f64 {
        let v = ((other.longitude.to_rad() - self.longitude.to_rad()) / 2.0).sin();
        if v == 0.0 {
            return self.distance_north(other);
        }
        let (from, to) = (self.latitude.to_rad(), other.latitude.to_rad());
        let u = ((to - from) / 2.0).sin();
        let a = u * u + from.cos() * to.cos() * v * v;
        2.0 * EARTH_RADIUS_METERS * a.sqrt().asin()
    }

    /// Metres between the latitudes of two places.
    pub fn distance_north(self, other: Self) -> f64 {
        EARTH_RADIUS_METERS * (other.latitude.to_rad() - self.latitude.to_rad()).abs()
    }

    /// The eleven characters by which other systems know the place. They divide all latitudes, up
    /// to the poles, into equal parts.
    pub fn name(self) -> String {
        const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        let bits = Cell::around(self, STEPS_MAX, Span { min: -90.0, max: 90.0 }).bits();
        // Ten characters of five bits; there are not enough for an eleventh.
        let letters = (1..=10).map(|nth| ALPHABET[(bits >> (52 - nth * 5) & 0x1f) as usize]);
        letters.chain([ALPHABET[0]]).map(char::from).collect()
    }
}

pub(super) const EARTH_RADIUS_METERS: f64 = 6_372_797.560_856;

/// Degrees and radians as Redis converts them: by one factor, rounded.
pub(super) trait Angle {
    fn to_rad(self) -> f64;
    fn to_deg(self) -> f64;
}

const RADIANS_OF_DEGREE: f64 = std::f64::consts::PI / 180.0;

impl Angle for f64 {
    fn to_rad(self) -> f64 {
        self * RADIANS_OF_DEGREE
    }

    fn to_deg(self) -> f64 {
        self / RADIANS_OF_DEGREE
    }
}

/// A cell of the grid whose rows and columns are numbered with `steps` bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    row: u32,
    column: u32,
    pub steps: u32,
}

impl Cell {
    /// The cell that a place is in, if these are all latitudes.
    fn around(place: Place, steps: u32, latitudes: Span) -> Self {
        let row = latitudes.part_of(place.latitude, steps);
        Self { row, column: LONGITUDES.part_of(place.longitude, steps), steps }
    }

    /// The cell that a place is in.
    pub fn of(place: Place, steps: u32) -> Self {
        Self::around(place, steps, LATITUDES)
    }

    fn bits(self) -> u64 {
        spread(self.row) | spread(self.column) << 1
    }

    pub fn latitudes(self) -> Span {
        LATITUDES.part(self.row, self.steps)
    }

    pub fn longitudes(self) -> Span {
        LONGITUDES.part(self.column, self.steps)
    }

    /// The cell so many to the north and to the east, round the globe.
    pub fn neighbour(self, north: i32, east: i32) -> Self {
        let mask = (1 << self.steps) - 1;
        let moved = |number: u32, by: i32| match by {
            0 => number,
            by => number.wrapping_add_signed(by) & mask,
        };
        Self { row: moved(self.row, north), column: moved(self.column, east), steps: self.steps }
    }

    /// The scores of its members, the end excluded.
    pub fn scores(self) -> (f64, f64) {
        let shift = 2 * (STEPS_MAX - self.steps);
        let bits = self.bits();
        ((bits << shift) as f64, ((bits + 1) << shift) as f64)
    }
}

/// Puts a zero above each bit.
fn spread(number: u32) -> u64 {
    (0..32).fold(0, |bits, nth| bits | u64::from(number >> nth & 1) << (2 * nth))
}

/// Every other bit, from the lowest on.
fn gather(bits: u64) -> u32 {
    (0..32).fold(0, |number, nth| number | ((bits >> (2 * nth) & 1) as u32) << nth)
}

#[cfg(test)]
mod tests {
    use super::{Place, gather, spread};

    #[test]
    fn bits_come_back() {
        for number in [0, 1, 0x2aa_aaaa, 0x3ff_ffff, u32::MAX] {
            assert_eq!(gather(spread(number)), number);
        }
    }

    #[test]
    fn a_place_is_kept_to_within_a_meter() {
        let place = Place { longitude: 13.361_389, latitude: 38.115_556 };
        assert!(place.distance(Place::of_score(place.score())) < 1.0);
        assert_eq!(place.name(), "sqc8b49rny0");
    }
}
