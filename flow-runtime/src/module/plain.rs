//! Densities as plain rows of numbers: what [`Density`](crate::Density) is made of.

use super::Element;
use super::flow::{Flow, Spec, check_features, check_points, conditions, draw_base, explain};
use super::points::FeatureSpec;
use super::weights::Weights;
use crate::density::{Draws, Space};
use crate::error::Error;
use crate::kernels::{self, Blocks, Coordinates};
use core::ops::Range;
use dfdx::tensor::Cpu;
use rand::Rng;

/// The manifolds of a flow, and their columns.
pub(crate) fn spaces<B: Blocks>() -> Vec<Space> {
    let mut summary = kernels::Summary::default();
    B::describe(&mut summary);
    let (mut dim, mut embed) = (0, 0);
    let place = |block: kernels::BlockSummary| {
        let [own_dim, own_embed] = block.coordinates;
        let space = Space {
            notation: block.manifold,
            geometry: block.geometry,
            columns: dim..dim + own_dim,
            embedded: embed..embed + own_embed,
        };
        (dim, embed) = (dim + own_dim, embed + own_embed);
        space
    };
    summary.blocks.into_iter().map(place).collect()
}

/// The letters of each manifold's chain.
pub(crate) fn letters_of<B: Blocks>() -> Vec<Vec<&'static str>> {
    let mut summary = kernels::Summary::default();
    B::describe(&mut summary);
    summary.blocks.into_iter().map(|block| block.letters.into_iter().map(|letter| letter.name).collect()).collect()
}

/// How many rows of `columns` numbers each of `given` conditions gets.
pub(crate) fn share_out(argument: &'static str, found: usize, columns: usize, given: usize) -> Result<usize, Error> {
    if given == 0 {
        return Err(Error::Empty { argument: "features" });
    }
    if found == 0 {
        return Err(Error::Empty { argument });
    }
    let repeat = found / (given * columns);
    if found != repeat * given * columns {
        return Err(Error::Length { argument, expected: (repeat + 1) * given * columns, found });
    }
    Ok(repeat)
}

impl<S: Spec, W: Weights<E>, E: Element> Flow<S, W, E, Cpu> {
    /// Rows under each condition, once features and points are found to be good.
    pub(super) fn accept(&self, features: &[E], points: &[E], coordinates: Coordinates) -> Result<usize, Error> {
        let given = conditions::<S, E>(features).unwrap_or(1);
        let repeat = share_out("points", points.len(), coordinates.count::<S::Blocks>(), given)?;
        check_features(features, S::Features::COUNT)?;
        check_points::<S::Blocks, E>(points, coordinates)?;
        Ok(repeat)
    }

    /// Log-densities of plain rows, shared out evenly over the rows of features.
    pub(crate) fn rows_log_prob(&self, features: &[E], points: &[E]) -> Result<Vec<E>, Error> {
        self.rows_evaluate(features, points, 0..S::Blocks::COUNT, Coordinates::Intrinsic, false).map(|(l, _)| l)
    }

    /// The same for some of the manifolds, with base points if asked for (empty if not).
    pub(crate) fn rows_evaluate(
        &self,
        features: &[E],
        points: &[E],
        part: Range<usize>,
        coordinates: Coordinates,
        with_base: bool,
    ) -> Result<(Vec<E>, Vec<E>), Error> {
        let repeat = self.accept(features, points, coordinates)?;
        let weights = self.weights_now();
        let rows = points.len() / coordinates.count::<S::Blocks>();
        let mut log_prob = vec![E::default(); rows];
        let mut base = vec![E::default(); if with_base { rows * S::Blocks::DIM } else { 0 }];
        let job = Self::job(&weights, features, repeat, coordinates);
        kernels::evaluate_part::<S::Blocks, E>(job, part, points, &mut log_prob, &mut base)
            .map_err(explain::<S::Blocks>)?;
        Ok((log_prob, base))
    }

    /// Undoes letters of one manifold of rows of embedded points, all under row `condition` of the features: see [`kernels::undo`].
    pub(crate) fn rows_undo(
        &self,
        features: &[E],
        condition: usize,
        points: &[E],
        manifold: usize,
        letters: Range<usize>,
    ) -> Result<Draws<E>, Error> {
        let chains = letters_of::<S::Blocks>();
        let chain = chains.get(manifold).ok_or_else(|| {
            Error::argument("manifold", format!("{manifold}: there are {}, counted from 0", chains.len()))
        })?;
        if letters.start > letters.end || letters.end > chain.len() {
            let message = format!("{}..{}: the chain has {} letters", letters.start, letters.end, chain.len());
            return Err(Error::argument("letters", message));
        }
        let features = Self::features_of(features, condition)?;
        let rows = share_out("points", points.len(), S::Blocks::EMBED, 1)?;
        check_features(features, S::Features::COUNT)?;
        check_points::<S::Blocks, E>(points, Coordinates::Embedded)?;
        let weights = self.weights_now();
        let (mut points, mut log_prob) = (points.to_vec(), vec![E::default(); rows]);
        let job = Self::job(&weights, features, rows, Coordinates::Embedded);
        kernels::undo::<S::Blocks, E>(job, manifold, &letters, &mut points, &mut log_prob)
            .map_err(explain::<S::Blocks>)?;
        Ok(Draws { points, log_prob })
    }

    /// One row of features.
    fn features_of(features: &[E], condition: usize) -> Result<&[E], Error> {
        let given = conditions::<S, E>(features).unwrap_or(1);
        if condition >= given {
            return Err(Error::argument("condition", format!("{condition}: there are {given}, counted from 0")));
        }
        Ok(&features[condition * S::Features::COUNT..][..S::Features::COUNT])
    }

    /// Draws under one row of features.
    pub(crate) fn rows_draw_under<G: Rng + ?Sized>(
        &self,
        features: &[E],
        condition: usize,
        n: usize,
        rng: &mut G,
    ) -> Result<Draws<E>, Error> {
        let features = Self::features_of(features, condition)?;
        if n == 0 {
            return Err(Error::Empty { argument: "n" });
        }
        self.rows_push(features, &draw_base(n * S::Blocks::DIM, rng), Coordinates::Intrinsic)
    }

    /// Points of base points, shared out evenly over the rows of features.
    pub(crate) fn rows_push(&self, features: &[E], base: &[E], coordinates: Coordinates) -> Result<Draws<E>, Error> {
        let given = conditions::<S, E>(features).unwrap_or(1);
        let repeat = share_out("base", base.len(), S::Blocks::DIM, given)?;
        let (points, log_prob) = self.push(&self.weights_now(), features, base, repeat, coordinates)?;
        Ok(Draws { points, log_prob })
    }
}

/// Intrinsic to embedded coordinates, row by row.
pub(crate) fn embed_rows<B: Blocks, E: Element>(points: &[E]) -> Vec<E> {
    let mut embedded = vec![E::default(); points.len() / B::DIM * B::EMBED];
    let (mut from, mut to) = (vec![0.0; B::DIM], vec![0.0; B::EMBED]);
    for (row, out) in points.chunks_exact(B::DIM).zip(embedded.chunks_exact_mut(B::EMBED)) {
        from.iter_mut().zip(row).for_each(|(x, e)| *x = e.widen());
        B::embed(&from, &mut to, &mut 0.0);
        out.iter_mut().zip(&to).for_each(|(e, x)| *e = E::narrow(*x));
    }
    embedded
}

/// Embedded to intrinsic coordinates, row by row.
pub(crate) fn intrinsic_rows<B: Blocks, E: Element>(points: &[E]) -> Vec<E> {
    let mut intrinsic = vec![E::default(); points.len() / B::EMBED * B::DIM];
    let (mut from, mut to) = (vec![0.0; B::EMBED], vec![0.0; B::DIM]);
    for (row, out) in points.chunks_exact(B::EMBED).zip(intrinsic.chunks_exact_mut(B::DIM)) {
        from.iter_mut().zip(row).for_each(|(x, e)| *x = e.widen());
        B::intrinsic(&from, &mut to, &mut 0.0);
        out.iter_mut().zip(&to).for_each(|(e, x)| *e = E::narrow(*x));
    }
    intrinsic
}
