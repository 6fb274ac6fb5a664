//! What the page plays with: the stage with its tours, and the model of Python's queue.

use wasm_bindgen::prelude::wasm_bindgen;

use crate::language::Language;
use crate::queue::python::{self, Model};
use crate::queue::stage::{Act, Stage};
use crate::queue::tour::{Place, TOURS};
use crate::queue::{python_view, view};

/// The ring, its four participants and the tours.
#[wasm_bindgen]
pub struct RingPlay {
    pub(crate) language: Language,
    pub(crate) stage: Stage,
    /// Where in a tour the stage is.
    pub(crate) place: Option<Place>,
    /// Number of events before the last act.
    pub(crate) told: usize,
}

#[wasm_bindgen]
impl RingPlay {
    /// Makes an empty ring, for a page in this language.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(language: &str) -> Self {
        Self { language: Language::of(language), stage: Stage::new(), place: None, told: 0 }
    }

    /// Does what a button stands for; returns the button that gets the focus, if it's another one.
    pub fn act(&mut self, name: &str) -> Option<String> {
        let (verb, number) = name.split_once(' ').unwrap_or((name, ""));
        let number = number.parse().unwrap_or(0);
        match verb {
            "tour" if number < TOURS.len() => {
                self.go(Place { tour: number, stop: 0 });
                return Some("ring-forward".into());
            }
            "forward" | "back" => {
                if let Some(place) = self.place {
                    let last = TOURS[place.tour].stops.len() - 1;
                    let stop = match verb {
                        "back" => place.stop.saturating_sub(1),
                        _ => (place.stop + 1).min(last),
                    };
                    self.go(Place { stop, ..place });
                }
            }
            "leave" => {
                self.place = None;
                return Some("ring-next-0".into());
            }
            "undo" => {
                self.place = None;
                self.stage.undo();
                self.told = self.stage.events.len().saturating_sub(1);
            }
            "anew" => *self = Self { language: self.language, ..Self::new("") },
            _ => {
                let act = match verb {
                    "next" => Act::Next(number),
                    "repair" => Act::Repair(number),
                    "kill" => Act::Kill(number),
                    "start" => Act::Start(number),
                    "large" => Act::Large(number),
                    "operations" => Act::Operations,
                    _ => return None,
                };
                if self.stage.can(act) {
                    // Whoever does something else has left the tour, and plays on from there.
                    self.place = None;
                    let before = self.stage.events.len();
                    self.stage.act(act);
                    // A switch makes no event: the last one stays in sight.
                    if self.stage.events.len() > before {
                        self.told = before;
                    }
                }
            }
        }
        None
    }

    /// Returns a part of the page: `tours`, `stage`, `news`, `controls` or `log`.
    #[must_use]
    pub fn html(&self, part: &str) -> String {
        view::part(self, part)
    }

    /// Goes to a stop of a tour, from its beginning.
    fn go(&mut self, place: Place) {
        self.stage = Stage::new();
        let stops = &TOURS[place.tour].stops[..=place.stop];
        for stop in stops {
            self.told = self.stage.events.len();
            stop.acts.iter().for_each(|act| self.stage.act(*act));
        }
        self.place = Some(place);
    }
}

/// The model of Python's queue.
#[wasm_bindgen]
pub struct PythonPlay {
    pub(crate) language: Language,
    pub(crate) model: Model,
}

#[wasm_bindgen]
impl PythonPlay {
    /// Makes an empty queue, for a page in this language.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(language: &str) -> Self {
        Self { language: Language::of(language), model: Model::new() }
    }

    /// Does what a button stands for; the focus stays where it is.
    pub fn act(&mut self, name: &str) -> Option<String> {
        let (verb, seat) = name.split_once(' ').unwrap_or((name, ""));
        let seat = seat.parse().unwrap_or(0);
        match verb {
            "next" => self.model.act(python::Act::Next(seat)),
            "kill" => self.model.act(python::Act::Kill(seat)),
            "start" => self.model.act(python::Act::Start(seat)),
            "undo" => self.model.undo(),
            "anew" => self.model = Model::new(),
            _ => {}
        }
        None
    }

    /// Returns a part of the page: `stage`, `news`, `controls` or `log`.
    #[must_use]
    pub fn html(&self, part: &str) -> String {
        python_view::part(self, part)
    }
}
