//! Coefficients of explicit Runge-Kutta methods.

/// y' = y + h sum_i b_i k_i with k_i = f(t + c_i h, y + h sum_j a_ij k_j).
#[derive(Debug)]
pub(super) struct Tableau {
    pub a: &'static [&'static [f64]],
    pub b: &'static [f64],
    pub c: &'static [f64],
    /// Weights of the error estimate; the last one is that of the slope at the end of the step. Empty where there is no estimate.
    pub error: &'static [f64],
}

impl Tableau {
    /// Evaluations that make a step.
    pub const fn stages(&self) -> usize {
        self.b.len()
    }
    /// Evaluations that are kept of a step.
    pub const fn slopes(&self) -> usize {
        if self.error.is_empty() { self.b.len() } else { self.error.len() }
    }
}

/// Kutta's 3/8 rule, of order 4.
pub(super) const RK4: Tableau = Tableau {
    a: &[&[], &[1.0 / 3.0], &[-1.0 / 3.0, 1.0], &[1.0, -1.0, 1.0]],
    b: &[1.0 / 8.0, 3.0 / 8.0, 3.0 / 8.0, 1.0 / 8.0],
    c: &[0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0],
    error: &[],
};

/// Dormand and Prince 5(4) (J. Comput. Appl. Math. 6, 19, 1980, table 2); the estimate is b - b^ of the same table.
pub(super) const DOPRI5: Tableau = Tableau {
    a: &[
        &[],
        &[1.0 / 5.0],
        &[3.0 / 40.0, 9.0 / 40.0],
        &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
        &[19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0],
        &[9017.0 / 3168.0, -355.0 / 33.0, 46732.0 / 5247.0, 49.0 / 176.0, -5103.0 / 18656.0],
    ],
    b: &[35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0],
    c: &[0.0, 0.2, 0.3, 0.8, 8.0 / 9.0, 1.0],
    error: &[71.0 / 57600.0, 0.0, -71.0 / 16695.0, 71.0 / 1920.0, -17253.0 / 339200.0, 22.0 / 525.0, -1.0 / 40.0],
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows sum to c, and b meets the quadrature conditions of its order.
    #[test]
    fn order_conditions() {
        for (tableau, order) in [(&RK4, 4), (&DOPRI5, 5)] {
            for (row, c) in tableau.a.iter().zip(tableau.c) {
                assert!((row.iter().sum::<f64>() - c).abs() < 1e-14);
            }
            for power in 0..order {
                let sum: f64 = tableau.b.iter().zip(tableau.c).map(|(b, c)| b * c.powi(power)).sum();
                assert!((sum - 1.0 / f64::from(power + 1)).abs() < 1e-14, "{power}");
            }
            assert!(tableau.error.iter().sum::<f64>().abs() < 1e-15);
        }
        // The embedded formula is of order 4.
        for power in 0..4 {
            let c = DOPRI5.c.iter().chain(&[1.0]);
            let sum: f64 = DOPRI5.error.iter().zip(c).map(|(e, c)| e * c.powi(power)).sum();
            assert!(sum.abs() < 1e-15, "{power}: {sum:e}");
        }
    }
}
