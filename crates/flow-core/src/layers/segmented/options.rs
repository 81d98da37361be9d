//! The letters of layer n's option `zenith_type_layers`.

use flow_notation::Text;

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
    pub const fn new(text: Text) -> Zenith {
        let (first, repeats) = (text.at(0), text.len());
        let letter = match first {
            b'r' => ZenithLetter::Spline,
            b'g' => ZenithLetter::Gaussianisation,
            b'x' | b'z' => ZenithLetter::Identity,
            _ => panic!("zenith_type_layers is one letter of r, g, x and z, repeated: r, rr, .."),
        };
        let mut i = 1;
        while i < repeats {
            assert!(text.at(i) == first, "zenith_type_layers is one letter of r, g, x and z, repeated: r, rr, ..");
            i += 1;
        }
        Zenith { letter, repeats }
    }
}
