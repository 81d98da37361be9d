//! Options of layer n.

use crate::layers::HiddenDims;
use crate::layers::{SphereRotation, decode};

/// A map of a polar angle in layer n.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZenithLetter {
    /// r: a rational-quadratic spline in (1 - cos theta)/2.
    Spline,
    /// g: a mixture of logistic functions in 2 ln tan(theta/2).
    Gaussianisation,
    /// x or z: the identity; there is no network then.
    Identity,
}

/// The zenith chain of layer n: one letter, repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zenith {
    /// The letter.
    pub letter: ZenithLetter,
    /// How often.
    pub repeats: usize,
}

impl Zenith {
    /// From a text such as `r` or `gg`.
    pub const fn from_code(code: u128) -> Zenith {
        let (first, repeats) = (decode::text_at(code, 0), decode::text_len(code));
        let letter = match first {
            b'r' => ZenithLetter::Spline,
            b'g' => ZenithLetter::Gaussianisation,
            b'x' | b'z' => ZenithLetter::Identity,
            _ => panic!("zenith_type_layers is one letter of r, g, x and z, repeated: r, rr, .."),
        };
        let mut i = 1;
        while i < repeats {
            assert!(
                decode::text_at(code, i) == first,
                "zenith_type_layers is one letter of r, g, x and z, repeated: r, rr, .."
            );
            i += 1;
        }
        Zenith { letter, repeats }
    }
}

options! {
    /// Options of layer n.
    pub struct SegmentedOptions, settings in n {
        /// Whether the sphere is rotated.
        add_rotation: bool = true, decode::flag;
        /// How the sphere is rotated.
        rotation_mode: SphereRotation = SphereRotation::Householder, SphereRotation::from_code;
        /// Number of Moebius maps of the azimuth.
        num_basis_functions: i64 = 10, decode::int;
        /// Letters of the polar angles: r or g, or x or z for none, repeated.
        zenith_type_layers: Zenith = Zenith::from_code(b'r' as u128), Zenith::from_code;
        /// Widths of the hidden layers of the networks that give the polar angles' parameters.
        hidden_dims: HiddenDims = HiddenDims::from_code(u16::from_le_bytes(*b"64") as u128), HiddenDims::from_code;
        /// Rank of the networks' matrices: -1, full.
        max_rank: i64 = -1, decode::int;
        /// How the networks' linear parts run: 0, there are none.
        highway_mode: i64 = 0, decode::int;
    }
}
