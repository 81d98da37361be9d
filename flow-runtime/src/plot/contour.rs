//! Lines of one level on a grid: marching squares, with the pieces joined so that they can be dashed.

use super::Grid;
use std::collections::BTreeMap;

/// How far below a level a cell may be taken: keeps densities of zero from dragging the interpolated line to their cell.
const DEPTH: f64 = 20.0;

/// A crossing lies between a cell centre (row, column) and its right (`false`) or lower (`true`) neighbour.
type Edge = (usize, usize, bool);

/// The lines where the grid's log-density is `level`, as (column, row) positions in units of cells; closed lines end where
/// they began. Squares with a missing corner are left out.
pub(crate) fn lines(grid: &Grid, level: f64) -> Vec<Vec<[f64; 2]>> {
    join(grid, level, pieces(grid, level))
}

/// Every square's pieces. Of the two ways through a saddle, the one that agrees with the mean of the corners is taken.
fn pieces(grid: &Grid, level: f64) -> Vec<[Edge; 2]> {
    let at = |r: usize, c: usize| grid.values[r * grid.columns + c];
    let mut pieces = Vec::new();
    for r in 0..grid.rows.saturating_sub(1) {
        for c in 0..grid.columns.saturating_sub(1) {
            let corners = [at(r, c), at(r, c + 1), at(r + 1, c + 1), at(r + 1, c)].map(|v| v - level);
            if corners.iter().any(|v| v.is_nan()) {
                continue;
            }
            let (top, right, bottom, left) = ((r, c, false), (r, c + 1, true), (r + 1, c, false), (r, c, true));
            let above = corners.map(|v| v >= 0.0);
            let code = above.iter().enumerate().fold(0, |code, (i, up)| code | usize::from(*up) << i);
            let centre_above = corners.iter().map(|v| v.max(-DEPTH)).sum::<f64>() >= 0.0;
            match code {
                0b0000 | 0b1111 => {}
                0b0001 | 0b1110 => pieces.push([left, top]),
                0b0010 | 0b1101 => pieces.push([top, right]),
                0b0100 | 0b1011 => pieces.push([right, bottom]),
                0b1000 | 0b0111 => pieces.push([bottom, left]),
                0b0011 | 0b1100 => pieces.push([left, right]),
                0b0110 | 0b1001 => pieces.push([top, bottom]),
                _ if (code == 0b0101) == centre_above => pieces.extend([[top, right], [bottom, left]]),
                _ => pieces.extend([[left, top], [right, bottom]]),
            }
        }
    }
    pieces
}

/// Finds where the level crosses an edge, linearly.
fn crossing(grid: &Grid, level: f64, (r, c, down): Edge) -> [f64; 2] {
    let (r1, c1) = if down { (r + 1, c) } else { (r, c + 1) };
    let height = |r: usize, c: usize| (grid.values[r * grid.columns + c] - level).max(-DEPTH);
    let (a, b) = (height(r, c), height(r1, c1));
    let t = a / (a - b);
    if down { [c as f64, r as f64 + t] } else { [c as f64 + t, r as f64] }
}

/// Follows pieces from edge to edge: first the lines that end at the rim, then the closed ones.
fn join(grid: &Grid, level: f64, pieces: Vec<[Edge; 2]>) -> Vec<Vec<[f64; 2]>> {
    let mut at: BTreeMap<Edge, Vec<usize>> = BTreeMap::new();
    for (i, piece) in pieces.iter().enumerate() {
        for edge in piece {
            at.entry(*edge).or_default().push(i);
        }
    }
    let mut used = vec![false; pieces.len()];
    let mut follow = |start: Edge| {
        let mut line = vec![crossing(grid, level, start)];
        let mut edge = start;
        while let Some(&i) = at[&edge].iter().find(|i| !used[**i]) {
            used[i] = true;
            edge = if pieces[i][0] == edge { pieces[i][1] } else { pieces[i][0] };
            line.push(crossing(grid, level, edge));
        }
        line
    };
    let ends = at.iter().filter(|(_, touching)| touching.len() == 1).map(|(edge, _)| *edge);
    let starts: Vec<Edge> = ends.chain(at.keys().copied()).collect();
    starts.into_iter().map(&mut follow).filter(|line| line.len() > 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(columns: usize, rows: usize, f: impl Fn(f64, f64) -> f64) -> Grid {
        let cells = (0..columns * rows).map(|i| f((i % columns) as f64, (i / columns) as f64)).collect();
        Grid { columns, rows, values: cells, weights: vec![1.0; columns * rows] }
    }

    #[test]
    fn a_cone_has_one_closed_circle() {
        let cone = grid(41, 41, |x, y| -(x - 20.0).hypot(y - 20.0));
        let found = lines(&cone, -10.3);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].first(), found[0].last());
        assert!(found[0].iter().all(|[x, y]| ((x - 20.0).hypot(y - 20.0) - 10.3).abs() < 0.05));
    }

    #[test]
    fn a_slope_has_one_open_line_and_two_hills_have_two() {
        let slope = lines(&grid(10, 7, |x, _| x), 4.25);
        assert_eq!(slope.len(), 1);
        assert!(slope[0].len() == 7 && slope[0].iter().all(|p| p[0] == 4.25));
        let hills = grid(60, 30, |x, y| -((x - 15.0).hypot(y - 15.0).min((x - 45.0).hypot(y - 15.0))));
        assert_eq!(lines(&hills, -5.5).len(), 2);
    }

    #[test]
    fn density_zero_outside_does_not_move_the_line_far() {
        let disk = grid(21, 21, |x, y| if (x - 10.0).hypot(y - 10.0) < 5.2 { 0.0 } else { f64::NEG_INFINITY });
        assert!(lines(&disk, -0.5).iter().flatten().all(|p| p[0].is_finite() && p[1].is_finite()));
    }
}
