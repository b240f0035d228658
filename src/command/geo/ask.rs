//! What a search is asked for, in the words of GEOSEARCH and of the older GEORADIUS.

use super::cell::Place;
use super::search::Shape;
use super::{place_at, unit_at};
use crate::command::options::score;
use crate::command::{Call, CommandError};
use crate::keyspace::types::Zset;

/// In which order members come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    NearestFirst,
    FarthestFirst,
}

/// A search.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    /// `None` if it is that of a member and there are no members at all.
    pub centre: Option<Place>,
    pub shape: Shape,
    /// How many metres the unit of distances is.
    pub unit: f64,
    pub order: Option<Order>,
    pub count: Option<usize>,
    /// Any members will do, if there are more than `count`.
    pub any: bool,
    pub with_distance: bool,
    pub with_hash: bool,
    pub with_place: bool,
    /// The key that the result is stored in.
    pub target: Option<&'a [u8]>,
    /// Distances are stored, not places.
    pub store_distances: bool,
}

/// Which options there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Search,
    SearchStore,
    Radius,
    /// One that stores nothing.
    RadiusReadOnly,
}

impl Form {
    fn is_search(self) -> bool {
        matches!(self, Self::Search | Self::SearchStore)
    }
}

/// Which of the words that a search needs were there.
#[derive(Debug, Default)]
struct Given {
    member: bool,
    place: bool,
    radius: bool,
    width: bool,
}

impl<'a> Ask<'a> {
    /// `GEOSEARCH key ...`
    pub fn of_search(call: &Call<'a>, zset: Option<&Zset>) -> Result<Self, CommandError> {
        Self::default().read_options(call, zset, 2, Form::Search)
    }

    /// `GEOSEARCHSTORE target key ...`
    pub fn of_search_store(call: &Call<'a>, zset: Option<&Zset>) -> Result<Self, CommandError> {
        let ask = Self { target: Some(call.arg(1)), ..Self::default() };
        ask.read_options(call, zset, 3, Form::SearchStore)
    }

    /// `GEORADIUS key longitude latitude radius unit ...`
    pub fn of_radius(
        call: &Call<'a>,
        zset: Option<&Zset>,
        may_store: bool,
    ) -> Result<Self, CommandError> {
        let centre = Some(place_at(call, 2)?);
        let (shape, unit) = circle_at(call, 4)?;
        let form = if may_store { Form::Radius } else { Form::RadiusReadOnly };
        Self { centre, shape, unit, ..Self::default() }.read_options(call, zset, 6, form)
    }

    /// `GEORADIUSBYMEMBER key member radius unit ...`
    pub fn of_radius_by_member(
        call: &Call<'a>,
        zset: Option<&Zset>,
        may_store: bool,
    ) -> Result<Self, CommandError> {
        let mut ask = Self::default();
        if let Some(zset) = zset {
            ask.centre = Some(place_of(zset, call.arg(2))?);
            (ask.shape, ask.unit) = circle_at(call, 3)?;
        }
        let form = if may_store { Form::Radius } else { Form::RadiusReadOnly };
        ask.read_options(call, zset, 5, form)
    }

    fn default() -> Self {
        Self {
            centre: None,
            shape: Shape::Circle { radius: 0.0 },
            unit: 1.0,
            order: None,
            count: None,
            any: false,
            with_distance: false,
            with_hash: false,
            with_place: false,
            target: None,
            store_distances: false,
        }
    }

    fn read_options(
        mut self,
        call: &Call<'a>,
        zset: Option<&Zset>,
        first: usize,
        form: Form,
    ) -> Result<Self, CommandError> {
        let mut given = Given::default();
        let mut index = first;
        while index < call.args.len() {
            let values = call.args.len() - index - 1;
            let word = call.arg(index).to_ascii_uppercase();
            index += match word.as_slice() {
                b"WITHDIST" => self.note(|ask| ask.with_distance = true),
                b"WITHHASH" => self.note(|ask| ask.with_hash = true),
                b"WITHCOORD" => self.note(|ask| ask.with_place = true),
                b"ANY" => self.note(|ask| ask.any = true),
                b"ASC" => self.note(|ask| ask.order = Some(Order::NearestFirst)),
                b"DESC" => self.note(|ask| ask.order = Some(Order::FarthestFirst)),
                b"COUNT" if values >= 1 => {
                    let count = usize::try_from(call.int(index + 1)?).ok().filter(|n| *n > 0);
                    let text = CommandError::fixed("ERR COUNT must be > 0");
                    self.count = Some(count.ok_or(text)?);
                    2
                }
                b"STORE" | b"STOREDIST" if values >= 1 && form == Form::Radius => {
                    self.target = Some(call.arg(index + 1));
                    self.store_distances = word == b"STOREDIST";
                    2
                }
                b"STOREDIST" if form == Form::SearchStore => {
                    self.note(|ask| ask.store_distances = true)
                }
                _ if form.is_search() => {
                    self.read_area(call, zset, index, &mut given)?.ok_or(CommandError::SYNTAX)?
                }
                _ => return Err(CommandError::SYNTAX),
            };
        }
        self.check(call, form, &given)?;
        if self.count.is_some() && !self.any {
            self.order = self.order.or(Some(Order::NearestFirst));
        }
        Ok(self)
    }

    /// An option of one word.
    fn note(&mut self, note: impl FnOnce(&mut Self)) -> usize {
        note(self);
        1
    }

    /// Reads where to search, and returns how many words that took.
    fn read_area(
        &mut self,
        call: &Call<'a>,
        zset: Option<&Zset>,
        index: usize,
        given: &mut Given,
    ) -> Result<Option<usize>, CommandError> {
        let values = call.args.len() - index - 1;
        Ok(match call.arg(index).to_ascii_uppercase().as_slice() {
            b"FROMMEMBER" if values >= 1 && !given.place => {
                given.member = true;
                self.centre = zset.map(|zset| place_of(zset, call.arg(index + 1))).transpose()?;
                Some(2)
            }
            b"FROMLONLAT" if values >= 2 && !given.member => {
                given.place = true;
                self.centre = Some(place_at(call, index + 1)?);
                Some(3)
            }
            b"BYRADIUS" if values >= 2 && !given.width => {
                given.radius = true;
                (self.shape, self.unit) = circle_at(call, index + 1)?;
                Some(3)
            }
            b"BYBOX" if values >= 3 && !given.radius => {
                given.width = true;
                (self.shape, self.unit) = box_at(call, index + 1)?;
                Some(4)
            }
            _ => None,
        })
    }

    fn check(&self, call: &Call<'_>, form: Form, given: &Given) -> Result<(), CommandError> {
        let name = String::from_utf8_lossy(call.arg(0));
        let text =
            if self.target.is_some() && (self.with_distance || self.with_hash || self.with_place) {
                let who = match form {
                    Form::SearchStore => "GEOSEARCHSTORE",
                    _ => "STORE option in GEORADIUS",
                };
                format!("{who} is not compatible with WITHDIST, WITHHASH and WITHCOORD options")
            } else if form.is_search() && !(given.member || given.place) {
                format!("exactly one of FROMMEMBER or FROMLONLAT can be specified for {name}")
            } else if form.is_search() && !(given.radius || given.width) {
                format!("exactly one of BYRADIUS and BYBOX can be specified for {name}")
            } else if self.any && self.count.is_none() {
                "the ANY argument requires COUNT argument".to_owned()
            } else {
                return Ok(());
            };
        Err(CommandError::new(format!("ERR {text}")))
    }
}

fn place_of(zset: &Zset, member: &[u8]) -> Result<Place, CommandError> {
    let score = zset.score(member);
    let text = CommandError::fixed("ERR could not decode requested zset member");
    score.map(Place::of_score).ok_or(text)
}

fn number_at(call: &Call<'_>, index: usize, text: &'static str) -> Result<f64, CommandError> {
    score(call.arg(index)).ok_or(CommandError::fixed(text))
}

fn circle_at(call: &Call<'_>, index: usize) -> Result<(Shape, f64), CommandError> {
    let radius = number_at(call, index, "ERR need numeric radius")?;
    if radius < 0.0 {
        return Err(CommandError::fixed("ERR radius cannot be negative"));
    }
    let unit = unit_at(call, index + 1)?;
    Ok((Shape::Circle { radius: radius * unit }, unit))
}

fn box_at(call: &Call<'_>, index: usize) -> Result<(Shape, f64), CommandError> {
    let width = number_at(call, index, "ERR need numeric width")?;
    let height = number_at(call, index + 1, "ERR need numeric height")?;
    if width < 0.0 || height < 0.0 {
        return Err(CommandError::fixed("ERR height or width cannot be negative"));
    }
    let unit = unit_at(call, index + 2)?;
    Ok((Shape::Box { width: width * unit, height: height * unit }, unit))
}
