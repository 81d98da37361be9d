//! Maps of a density on the sphere in cells of equal area (HEALPix, Gorski and others, arXiv:astro-ph/0409513), fine where the density is high: the area inside
//! 50, 90, 99 % is what astronomers ask for of an alert, and these cells are how alerts are sent (multi-order maps, arXiv:1901.02418).
//!
//! Cells and their numbers come from the crate cdshealpix, in the nested scheme: at depth d there are 12 4^d cells, and cell i is made of the cells 4 i .. 4 i + 3
//! of depth d + 1. Longitude is phi, latitude is pi / 2 - theta.

use super::contours::probabilities;
use super::estimate::wide;
use crate::density::Density;
use crate::error::Error;
use crate::kernels::Coordinates;
use crate::module::{Element, draw_base};
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
    /// ln p at the centre, by area.
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
    /// The share of sorted cell numbers of the last depth that lie in this cell.
    fn share(&self, numbers: &[u64]) -> f64 {
        let below = |index: u64| numbers.partition_point(|n| n >> (2 * (LAST_DEPTH - self.depth)) < index);
        (below(self.index + 1) - below(self.index)) as f64 / numbers.len() as f64
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

/// Draws that point out peaks.
const GUIDES: usize = 2000;

/// The most cells of a map: 16 MB a condition, and more evaluations than that take minutes.
const MOST_CELLS: usize = 1 << 20;

/// A map of manifold 0, an `s2`, under each condition; later manifolds are integrated out, for they are conditioned on it.
///
/// Cells are halved along each side where the density changes within them: where the four parts hold another probability than the whole, by
/// more than their share of a ten-thousandth, or where they hold more than a hundredth in all. Draws point out peaks that are narrower than the first
/// cells: a cell with more than a hundredth of them is halved too.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let pdf = Cpu::default().build_module::<flow!(s2 : f), f64>();
/// let map = &estimators::equal_area_map(&pdf, &mut StdRng::seed_from_u64(1))?[0];
/// assert!((map.total() - 1.0).abs() < 1e-3);
/// let [half, most] = map.areas(&[0.5, 0.9])?[..] else { unreachable!() };
/// assert!(half < most && most < 4.0 * std::f64::consts::PI);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// Manifold 0 is not `s2`; a value leaves the range of the numbers.
pub fn equal_area_map<E, D, G>(density: &D, rng: &mut G) -> Result<Vec<EqualAreaMap>, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    let spaces = density.spaces();
    if spaces.first().is_none_or(|space| space.notation != "s2") {
        let names: Vec<_> = spaces.iter().map(|space| space.notation.as_str()).collect();
        let message = format!("manifold 0 of `{}` is not s2: write the direction first, `s2 + ..`", names.join(" + "));
        return Err(Error::argument("density", message));
    }
    let conditions = density.conditions();
    let base: Vec<E> = draw_base(conditions * GUIDES * D::DIM, rng);
    let drawn = density.push(&base, Coordinates::Intrinsic)?.points;
    let number = |x: &[E]| nested::hash(LAST_DEPTH, x[1].widen(), FRAC_PI_2 - x[0].widen());
    let guides: Vec<Vec<u64>> = drawn
        .chunks_exact(GUIDES * D::DIM)
        .map(|own| {
            let mut numbers: Vec<u64> = own.chunks_exact(D::DIM).map(number).collect();
            numbers.sort_unstable();
            numbers
        })
        .collect();
    // Later manifolds are not read, but must hold points.
    let rest = &drawn[2..D::DIM];

    let first = (0..nested::n_hash(FIRST_DEPTH)).map(|index| (FIRST_DEPTH, index));
    let mut maps: Vec<Vec<Cell>> =
        vec![first.map(|(depth, index)| Cell { depth, index, log_density: 0.0 }).collect(); conditions];
    evaluate(density, &mut maps, rest)?;
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
        evaluate(density, &mut children, rest)?;
        for (c, parents) in maps.iter_mut().enumerate() {
            let mut next = Vec::new();
            let room = MOST_CELLS.saturating_sub(done[c].len());
            let tolerance = PRECISION / parents.len() as f64;
            for (parent, four) in parents.iter().zip(children[c].chunks_exact(4)) {
                let sum: f64 = four.iter().map(Cell::probability).sum();
                let settled = (sum - parent.probability()).abs() < tolerance
                    && sum < COARSEST
                    && parent.share(&guides[c]) < COARSEST;
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

/// Log-densities of the cells' centres. Conditions have different numbers of cells, but rows are shared out evenly: short lists are
/// filled up with their first cell, or with the pole where they are empty.
fn evaluate<E: Element, D: Density<E>>(density: &D, maps: &mut [Vec<Cell>], rest: &[E]) -> Result<(), Error> {
    let most = maps.iter().map(Vec::len).max().unwrap_or(0);
    let mut points = Vec::with_capacity(maps.len() * most * D::DIM);
    for cells in maps.iter() {
        for i in 0..most {
            let centre = cells.get(i).or(cells.first()).map_or([0.0, 0.0], Cell::centre);
            points.extend(centre.map(E::narrow));
            points.extend_from_slice(rest);
        }
    }
    let found = wide(&density.log_prob_part(&D::embed(&points), 0..1)?);
    for (cells, found) in maps.iter_mut().zip(found.chunks_exact(most)) {
        cells.iter_mut().zip(found).for_each(|(cell, l)| cell.log_density = *l);
    }
    Ok(())
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
