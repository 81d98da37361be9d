//! Maps of a density on the sphere in cells of equal area (HEALPix, Gorski and others, arXiv:astro-ph/0409513), fine where the density is high: the area inside
//! 50, 90, 99 % is what astronomers ask for of an alert, and these cells are how alerts are sent (multi-order maps, arXiv:1901.02418).
//!
//! Cells and their numbers come from the crate cdshealpix, in the nested scheme: at depth d there are 12 4^d cells, and cell i is made of the cells 4 i .. 4 i + 3
//! of depth d + 1. Longitude is phi, latitude is pi / 2 - theta.

use super::contours::probabilities;
use super::directional::sphere;
use super::entropy::redraw;
use super::estimate::{log_mean_exp, wide};
use crate::density::{Density, ManifoldInfo, draw_base};
use crate::error::Error;
use crate::kernels::Coordinates;
use crate::module::Element;
use cdshealpix::nested;
use core::f64::consts::{FRAC_PI_2, PI};
use rand::Rng;

/// One cell of a map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// Depth, from 0: the cell has the area 4 pi / (12 4^depth).
    pub depth: u8,
    /// Number in the nested scheme.
    pub index: u64,
    /// ln p at the centre, by area. On the tape, for gradients: `log_prob_embedded` of the centres.
    pub log_density: f64,
}

impl Cell {
    /// Area in steradians.
    pub fn area(&self) -> f64 {
        PI / 3.0 / 4f64.powi(i32::from(self.depth))
    }
    /// Probability: area times the density at the centre.
    pub fn probability(&self) -> f64 {
        self.log_density.exp() * self.area()
    }
    /// theta and phi of the centre, in radians.
    pub fn centre(&self) -> [f64; 2] {
        let (phi, latitude) = nested::center(self.depth, self.index);
        [FRAC_PI_2 - latitude, phi]
    }
    /// How many of sorted cell numbers of the last depth lie in this cell.
    fn count(&self, numbers: &[u64]) -> f64 {
        let below = |index: u64| numbers.partition_point(|n| n >> (2 * (LAST_DEPTH - self.depth)) < index);
        (below(self.index + 1) - below(self.index)) as f64
    }
    /// The number that has the depth in it, 4 4^depth + index: the UNIQ of multi-order files.
    pub fn unique(&self) -> u64 {
        nested::to_uniq_ivoa(self.depth, self.index)
    }
}

/// A map of the whole sphere under one condition: cells of several depths that cover it once.
#[derive(Clone, Debug, PartialEq)]
pub struct EqualAreaMap {
    /// The cells, densest first.
    pub cells: Vec<Cell>,
}

/// Cells at the start: 12 4^4 = 3072, each 3.7 degrees wide.
const FIRST_DEPTH: u8 = 4;

/// Cells of 0.4 seconds of arc: nothing finer is asked of a density in double precision.
const LAST_DEPTH: u8 = 19;

/// The probability that a map may gain or lose where it is refined once more.
const PRECISION: f64 = 1e-4;

/// No cell holds more probability than this.
const COARSEST: f64 = 0.01;

/// Draws that point out peaks, and at least so many of each part of a mixture.
const GUIDES: usize = 2048;
const GUIDES_EACH: usize = 8;

/// Draws in a cell beyond those its probability explains: five standard deviations of their number, and five more.
const UNEXPLAINED: f64 = 5.0;

/// Rows that are evaluated at once.
const AT_ONCE: usize = 1 << 18;

/// The most cells of a map: 16 MB a condition, and more evaluations than that take minutes.
const MOST_CELLS: usize = 1 << 20;

/// A map of the sphere number `manifold`, an `s2` anywhere in the product, under each condition; all other manifolds are integrated out.
///
/// Of the first manifold the density is exact, and `inner` is not used. Of a later one it is the mean of its densities given `inner` draws of the manifolds before it,
/// the same draws for all cells: a density that is normalised as exactly as each of them, with a relative error of about the spread of the parts over sqrt(inner). A
/// hundred are a good number; the time is proportional to it.
///
/// Cells are halved along each side where the density changes within them: where the four parts hold another probability than the whole, by
/// more than their share of a ten-thousandth, or where they hold more than a hundredth in all. Draws point out peaks that are narrower than the first
/// cells: a cell with more of them than its probability explains is halved too.
///
/// There is no form on the tape: which cells there are, and which of them a contour holds, changes in steps. The value of a cell is a log-density, and the area
/// inside a contour of a density on one sphere is [`highest_density_volume_traced`](super::highest_density_volume_traced); both have gradients.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let pdf = Cpu::default().build_module::<flow!(s2 : f), f64>();
/// let map = &estimators::equal_area_map(&pdf, 0, 1, &mut StdRng::seed_from_u64(1))?[0];
/// assert!((map.total() - 1.0).abs() < 1e-3);
/// let [half, most] = map.areas(&[0.5, 0.9])?[..] else { unreachable!() };
/// assert!(half < most && most < 4.0 * std::f64::consts::PI);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// There is no such manifold, or it is no `s2`; `inner` is 0; a value leaves the range of the numbers.
pub fn equal_area_map<E, D, G>(
    density: &D,
    manifold: usize,
    inner: usize,
    rng: &mut G,
) -> Result<Vec<EqualAreaMap>, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    let space = sphere(&density.manifolds(), manifold)?;
    if space.embedded.len() != 3 {
        let message = format!("`{}` has no map of equal area: this one is for s2", space.notation);
        return Err(Error::argument("manifold", message));
    }
    if inner == 0 {
        return Err(Error::Empty { argument: "inner" });
    }
    let conditions = density.conditions();
    let parts = if manifold == 0 { 1 } else { inner };
    let base: Vec<E> = draw_base(conditions * parts * D::DIM, rng);
    let mixture = Mixture { density, manifold, space, rows: density.forward(&base, Coordinates::Embedded)?.points };
    let guides = mixture.guides((GUIDES / parts).max(GUIDES_EACH), rng)?;

    let first = (0..nested::n_hash(FIRST_DEPTH)).map(|index| (FIRST_DEPTH, index));
    let mut maps: Vec<Vec<Cell>> =
        vec![first.map(|(depth, index)| Cell { depth, index, log_density: 0.0 }).collect(); conditions];
    mixture.evaluate(&mut maps)?;
    let mut done: Vec<Vec<Cell>> = vec![Vec::new(); conditions];
    for _ in FIRST_DEPTH..LAST_DEPTH {
        let mut children: Vec<Vec<Cell>> = maps
            .iter()
            .map(|cells| {
                let split = |cell: &Cell| (0..4).map(|k| (cell.depth + 1, 4 * cell.index + k)).collect::<Vec<_>>();
                cells.iter().flat_map(split).map(|(depth, index)| Cell { depth, index, log_density: 0.0 }).collect()
            })
            .collect();
        if children.iter().all(Vec::is_empty) {
            break;
        }
        mixture.evaluate(&mut children)?;
        for (c, parents) in maps.iter_mut().enumerate() {
            let mut next = Vec::new();
            let room = MOST_CELLS.saturating_sub(done[c].len());
            let tolerance = PRECISION / parents.len() as f64;
            for (parent, four) in parents.iter().zip(children[c].chunks_exact(4)) {
                let sum: f64 = four.iter().map(Cell::probability).sum();
                let explained = sum * guides[c].len() as f64;
                let most = explained + UNEXPLAINED * (explained.sqrt() + 1.0);
                let settled = (sum - parent.probability()).abs() < tolerance
                    && sum < COARSEST
                    && parent.count(&guides[c]) <= most;
                if settled || next.len() + 4 > room { done[c].extend(four) } else { next.extend(four) }
            }
            *parents = next;
        }
    }
    let finish = |(mut cells, rest): (Vec<Cell>, Vec<Cell>)| {
        cells.extend(rest);
        cells.sort_by(|a, b| b.log_density.total_cmp(&a.log_density));
        EqualAreaMap { cells }
    };
    Ok(done.into_iter().zip(maps).map(finish).collect())
}

/// The density of a sphere in a product: a mean over points whose earlier manifolds are held, as many under each condition.
struct Mixture<'a, E, D> {
    density: &'a D,
    manifold: usize,
    space: ManifoldInfo,
    /// The points, in embedded coordinates.
    rows: Vec<E>,
}

impl<E: Element, D: Density<E>> Mixture<'_, E, D> {
    /// The parts under one condition.
    fn parts(&self, condition: usize) -> &[E] {
        let each = self.rows.len() / self.density.conditions();
        &self.rows[condition * each..][..each]
    }

    /// Sorted cell numbers of the last depth of draws, `each` from each part, under each condition.
    fn guides<G: Rng + ?Sized>(&self, each: usize, rng: &mut G) -> Result<Vec<Vec<u64>>, Error> {
        let copies = self.rows.chunks_exact(D::EMBED).flat_map(|row| std::iter::repeat_n(row, each));
        let mut drawn: Vec<E> = copies.flatten().copied().collect();
        redraw(self.density, &mut drawn, self.manifold..self.manifold + 1, rng)?;
        let number = |x: &[E]| {
            let [x, y, z]: [f64; 3] = core::array::from_fn(|k| x[self.space.embedded.start + k].widen());
            nested::hash(LAST_DEPTH, y.atan2(x).rem_euclid(2.0 * PI), z.atan2(x.hypot(y)))
        };
        let of = |own: &[E]| {
            let mut numbers: Vec<u64> = own.chunks_exact(D::EMBED).map(number).collect();
            numbers.sort_unstable();
            numbers
        };
        Ok(drawn.chunks_exact(drawn.len() / self.density.conditions()).map(of).collect())
    }

    /// Log-densities of the cells' centres. Conditions have different numbers of cells, but rows are shared out evenly: short lists are
    /// filled up with their first cell, or with the pole where they are empty.
    fn evaluate(&self, maps: &mut [Vec<Cell>]) -> Result<(), Error> {
        let most = maps.iter().map(Vec::len).max().unwrap_or(0);
        let parts = self.rows.len() / D::EMBED / maps.len();
        let together = (AT_ONCE / (maps.len() * parts)).max(1);
        for first in (0..most).step_by(together) {
            let count = together.min(most - first);
            let mut points = Vec::with_capacity(maps.len() * count * parts * D::EMBED);
            for (condition, cells) in maps.iter().enumerate() {
                for i in first..first + count {
                    let [theta, phi] = cells.get(i).or(cells.first()).map_or([0.0, 0.0], Cell::centre);
                    let centre = [theta.sin() * phi.cos(), theta.sin() * phi.sin(), theta.cos()].map(E::narrow);
                    for part in self.parts(condition).chunks_exact(D::EMBED) {
                        points.extend_from_slice(part);
                        let at = points.len() - D::EMBED + self.space.embedded.start;
                        points[at..at + 3].copy_from_slice(&centre);
                    }
                }
            }
            let found = wide(&self.density.log_prob_of(&points, self.manifold..self.manifold + 1)?);
            for (cells, found) in maps.iter_mut().zip(found.chunks_exact(count * parts)) {
                let own = cells.iter_mut().skip(first).zip(found.chunks_exact(parts));
                own.for_each(|(cell, logs)| cell.log_density = log_mean_exp(logs));
            }
        }
        Ok(())
    }
}

impl EqualAreaMap {
    /// The probability of all cells: 1, up to the precision of the map.
    pub fn total(&self) -> f64 {
        self.cells.iter().map(Cell::probability).sum()
    }

    /// The area in steradians of the smallest region that holds each probability: cells in the order of their density, the last one in part. A square degree is
    /// (pi / 180)^2 steradians.
    ///
    /// # Errors
    /// A probability is not between 0 and 1.
    pub fn areas(&self, masses: &[f64]) -> Result<Vec<f64>, Error> {
        probabilities("masses", masses)?;
        let total = self.total();
        let area = |mass: &f64| {
            let (mut inside, mut area) = (0.0, 0.0);
            for cell in &self.cells {
                let own = cell.probability() / total;
                if inside + own >= *mass {
                    return area + cell.area() * (mass - inside) / own;
                }
                inside += own;
                area += cell.area();
            }
            area
        };
        Ok(masses.iter().map(area).collect())
    }

    /// The log-density, by area, at the edge of the region of highest density that holds each probability.
    ///
    /// # Errors
    /// A probability is not between 0 and 1.
    pub fn levels(&self, masses: &[f64]) -> Result<Vec<f64>, Error> {
        probabilities("masses", masses)?;
        let total = self.total();
        let level = |mass: &f64| {
            let mut inside = 0.0;
            let edge = self.cells.iter().find(|cell| {
                inside += cell.probability() / total;
                inside >= *mass
            });
            edge.or(self.cells.last()).map_or(f64::NEG_INFINITY, |cell| cell.log_density)
        };
        Ok(masses.iter().map(level).collect())
    }

    /// The probability of the region of highest density at whose edge a direction (theta, phi) lies: its exact coverage number.
    pub fn probability_above(&self, [theta, phi]: [f64; 2]) -> f64 {
        let all = LAST_DEPTH;
        let index = nested::hash(all, phi, FRAC_PI_2 - theta);
        let own = self.cells.iter().find(|cell| index >> (2 * (all - cell.depth)) == cell.index);
        let level = own.map_or(f64::NEG_INFINITY, |cell| cell.log_density);
        let above = |cell: &&Cell| cell.log_density > level;
        self.cells.iter().take_while(above).map(Cell::probability).sum::<f64>() / self.total()
    }
}
