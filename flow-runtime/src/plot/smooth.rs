//! Densities of samples on a grid: counts in cells, smoothed by a normal kernel.
//!
//! Positions are those on the axis, 0 to 1, so that a logarithmic axis is smoothed evenly as it is seen. The kernel's width is a share of Scott's
//! rule n^(-1/(d + 4)) s (D. W. Scott, Multivariate Density Estimation, 1992, eq. 6.42), with the smaller of the standard deviation and the
//! interquartile range over 1.349 for s, as clusters and tails would widen the former (B. W. Silverman, Density Estimation, 1986, eq. 3.30).

use super::Grid;

/// Scott's rule is the best for one normal distribution, and too wide for everything else. In two dimensions noise shows more, as wavy contours.
const SHARPER: [f64; 2] = [0.75, 0.9];
/// The narrowest kernel, in cells: below it the counts of single cells show.
const NARROWEST: f64 = 0.8;
/// Half-width of the kernel, in widths.
const REACH: f64 = 4.0;

/// The kernel's width in the units of the values, for densities of `dims` coordinates.
fn width(values: &[f64], dims: usize) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let range = (quantile(&sorted, 0.75) - quantile(&sorted, 0.25)) / 1.349;
    let scale = if range > 0.0 { range.min(deviation) } else { deviation };
    SHARPER[dims - 1] * scale * n.powf(-1.0 / (dims as f64 + 4.0))
}

/// The quantile of sorted values, linear between them.
pub(crate) fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * (sorted.len() - 1) as f64;
    let (below, share) = (at.floor() as usize, at.fract());
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + share * (sorted[above] - sorted[below])
}

/// A normal kernel of a width in cells, from its middle outwards, with sum 1.
fn kernel(width: f64) -> Vec<f64> {
    let width = width.max(NARROWEST);
    let half: Vec<f64> =
        (0..=(REACH * width).ceil() as usize).map(|i| (-0.5 * (i as f64 / width).powi(2)).exp()).collect();
    let sum = half[0] + 2.0 * half[1..].iter().sum::<f64>();
    half.into_iter().map(|k| k / sum).collect()
}

/// Smooths every `stride`-th number from `first` on, `n` of them. `folded`: what would be carried beyond an end comes back from it, as an interval asks
/// for.
fn convolve(cells: &mut [f64], [first, stride, n]: [usize; 3], kernel: &[f64], folded: bool) {
    let line: Vec<f64> = (0..n).map(|i| cells[first + i * stride]).collect();
    let beyond = |j: Option<usize>| if folded { j.and_then(|j| line.get(j)).copied().unwrap_or(0.0) } else { 0.0 };
    for i in 0..n {
        let at = |k: usize| {
            let left = i.checked_sub(k).map_or_else(|| beyond(Some(k - i - 1)), |j| line[j]);
            left + line.get(i + k).copied().unwrap_or_else(|| beyond((2 * n - 1).checked_sub(i + k)))
        };
        cells[first + i * stride] = kernel[0] * line[i] + (1..kernel.len()).map(|k| kernel[k] * at(k)).sum::<f64>();
    }
}

/// Whether all values lie on the axis: then it holds all there is, and no mass belongs beyond its ends.
fn all_inside(positions: &[f64]) -> bool {
    positions.iter().all(|p| (0.0..=1.0).contains(p))
}

fn cell(position: f64, cells: usize) -> Option<usize> {
    (0.0..=1.0).contains(&position).then(|| ((position * cells as f64) as usize).min(cells - 1))
}

/// The density by position of values at `cells` cell centres. Values outside 0 to 1 count as values, and are not seen.
pub(crate) fn curve(positions: &[f64], cells: usize) -> Vec<f64> {
    let mut density = vec![0.0; cells];
    let each = cells as f64 / positions.len() as f64;
    positions.iter().filter_map(|p| cell(*p, cells)).for_each(|c| density[c] += each);
    let kernel = kernel(width(positions, 1) * cells as f64);
    convolve(&mut density, [0, 1, cells], &kernel, all_inside(positions));
    density
}

/// The log-density by position of pairs on a square grid, rows from the top.
pub(crate) fn grid(x: &[f64], y: &[f64], cells: usize) -> Grid {
    let mut density = vec![0.0; cells * cells];
    let each = (cells * cells) as f64 / x.len() as f64;
    for (x, y) in x.iter().zip(y) {
        if let (Some(column), Some(row)) = (cell(*x, cells), cell(1.0 - y, cells)) {
            density[row * cells + column] += each;
        }
    }
    let [kx, ky] = [x, y].map(|values| kernel(width(values, 2) * cells as f64));
    for line in 0..cells {
        convolve(&mut density, [line * cells, 1, cells], &kx, all_inside(x));
    }
    for line in 0..cells {
        convolve(&mut density, [line, cells, cells], &ky, all_inside(y));
    }
    let weights = vec![1.0 / (cells * cells) as f64; cells * cells];
    Grid { columns: cells, rows: cells, values: density.into_iter().map(f64::ln).collect(), weights }
}

/// The level of a smoothed density above which lies this share of the samples it was made of: contours hold what they claim, however
/// wide the kernel is.
pub(crate) fn level(grid: &Grid, x: &[f64], y: &[f64], mass: f64) -> f64 {
    let cells = grid.columns as f64;
    let mut heights: Vec<f64> = x
        .iter()
        .zip(y)
        .map(|(x, y)| {
            let inside = (0.0..=1.0).contains(x) && (0.0..=1.0).contains(y);
            let found = grid.interpolate(x * cells - 0.5, (1.0 - y) * cells - 0.5, -700.0);
            found.filter(|_| inside).unwrap_or(f64::NEG_INFINITY)
        })
        .collect();
    heights.sort_by(|a, b| b.total_cmp(a));
    heights[((mass * heights.len() as f64) as usize).min(heights.len() - 1)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::special::normal_quantile;

    fn normal(n: usize, by: usize) -> Vec<f64> {
        let at = |p: f64| normal_quantile(p, 1.0 - p);
        // Steps that are prime to n visit every quantile once, in an order of their own.
        (0..n).map(|i| 0.5 + 0.1 * at(((i * by % n) as f64 + 0.5) / n as f64)).collect()
    }

    #[test]
    fn the_density_of_normal_samples_is_normal() {
        let density = curve(&normal(10_007, 1), 200);
        let sum: f64 = density.iter().sum::<f64>() / 200.0;
        assert!((sum - 1.0).abs() < 1e-3);
        let peak = 1.0 / (0.1 * (2.0 * std::f64::consts::PI).sqrt());
        assert!((density[100] / peak - 1.0).abs() < 0.03, "{} {peak}", density[100]);
        // A kernel of 0.75 n^(-1/5) widens by its square.
        assert!((density[120] / density[100] / (-0.5f64 * 1.025 * 1.025).exp() - 1.0).abs() < 0.04);
    }

    #[test]
    fn the_ends_of_an_interval_lose_nothing() {
        let even: Vec<f64> = (0..5000).map(|i| (f64::from(i) + 0.5) / 5000.0).collect();
        let density = curve(&even, 100);
        assert!(density.iter().all(|d| (d - 1.0).abs() < 0.03), "{density:?}");
        // One value beyond the axis: the others may go there too.
        let open = curve(&[even, vec![1.5]].concat(), 100);
        assert!(open[0] < 0.7 && (open[50] - 1.0).abs() < 0.03);
    }

    #[test]
    fn levels_hold_the_share_they_claim() {
        let (x, y) = (normal(10_007, 1), normal(10_007, 2749));
        let grid = grid(&x, &y, 80);
        for mass in [0.5, 0.68, 0.95] {
            let level = level(&grid, &x, &y, mass);
            // Of a round normal distribution the region is a disk: exp(-r^2 / 2) is outside.
            let radius = 0.1 * (-2.0 * (1.0f64 - mass).ln()).sqrt();
            let at = grid.interpolate(80.0 * (0.5 + radius) - 0.5, 80.0 * 0.5 - 0.5, -700.0).unwrap();
            assert!((at - level).abs() < 0.15, "{mass}: {at} {level}");
        }
    }
}
