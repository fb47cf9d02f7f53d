//! Which pieces of a few large things are in use.

/// Pieces of each thing.
pub(super) const PIECES: u32 = 16;

const ALL: u16 = u16::MAX;

/// Things, each of so many pieces, of which only as many are kept as are in use, and one more.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    things: Vec<Held<T>>,
    /// The number of the next thing.
    next: u64,
}

#[derive(Debug)]
struct Held<T> {
    number: u64,
    thing: T,
    /// A bit for each piece.
    taken: u16,
}

/// Which piece of which thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    number: u64,
    pub(super) piece: u32,
}

impl<T> Default for Shelf<T> {
    fn default() -> Shelf<T> {
        Shelf {
            things: Vec::new(),
            next: 0,
        }
    }
}

impl<T: Clone> Shelf<T> {
    /// A free piece of what is there. The first thing with one gives it, so that the last ones are emptied.
    pub(super) fn take(&mut self) -> Option<(T, Place)> {
        let found = self.things.iter_mut().find(|it| it.taken != ALL)?;
        let piece = found.taken.trailing_ones();
        found.taken |= 1 << piece;
        let number = found.number;
        Some((found.thing.clone(), Place { number, piece }))
    }

    /// Adds a thing; gives its first piece.
    pub(super) fn add(&mut self, thing: T) -> (T, Place) {
        let number = self.next;
        self.next += 1;
        self.things.push(Held {
            number,
            thing: thing.clone(),
            taken: 1,
        });
        (thing, Place { number, piece: 0 })
    }

    /// Takes a piece back. Of things that nobody uses any piece of, one is kept.
    pub(super) fn give_back(&mut self, place: Place) {
        let Some(at) = self.things.iter().position(|it| it.number == place.number) else {
            return;
        };
        self.things[at].taken &= !(1 << place.piece);
        let idle = self.things.iter().filter(|it| it.taken == 0).count();
        if self.things[at].taken == 0 && idle > 1 {
            self.things.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use super::*;

    fn taken(shelf: &mut Shelf<Arc<u32>>, made: &mut u32) -> (Arc<u32>, Place) {
        shelf.take().unwrap_or_else(|| {
            *made += 1;
            shelf.add(Arc::new(*made))
        })
    }

    #[test]
    fn no_piece_is_given_twice_and_things_are_made_when_all_are_taken() {
        let (mut shelf, mut made) = (Shelf::default(), 0);
        let held: Vec<_> = (0..3 * PIECES + 1)
            .map(|_| taken(&mut shelf, &mut made))
            .collect();
        assert_eq!(made, 4);
        let places: HashSet<_> = held.iter().map(|(_, place)| *place).collect();
        assert_eq!(places.len(), held.len());
        assert!(held.iter().all(|(_, place)| place.piece < PIECES));
    }

    #[test]
    fn what_was_given_back_is_given_again() {
        let (mut shelf, mut made) = (Shelf::default(), 0);
        let held: Vec<_> = (0..PIECES).map(|_| taken(&mut shelf, &mut made)).collect();
        for (_, place) in &held[3..5] {
            shelf.give_back(*place);
        }
        let again: Vec<_> = (0..2).map(|_| taken(&mut shelf, &mut made).1).collect();
        assert_eq!((again, made), (vec![held[3].1, held[4].1], 1));
    }

    #[test]
    fn of_idle_things_one_is_kept() {
        let (mut shelf, mut made) = (Shelf::default(), 0);
        let held: Vec<_> = (0..4 * PIECES)
            .map(|_| taken(&mut shelf, &mut made))
            .collect();
        let weak: Vec<_> = held
            .iter()
            .step_by(PIECES as usize)
            .map(|(thing, _)| Arc::downgrade(thing))
            .collect();
        let places: Vec<_> = held.into_iter().map(|(_, place)| place).collect();
        places.iter().for_each(|place| shelf.give_back(*place));
        let alive = weak.iter().filter(|it| it.strong_count() > 0).count();
        assert_eq!(alive, 1);
        // What remains serves as before.
        (0..PIECES).for_each(|_| drop(taken(&mut shelf, &mut made)));
        assert_eq!(made, 4);
        assert!(shelf.take().is_none());
    }
}
