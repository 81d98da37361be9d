//! Widths of the hidden layers of a network inside a layer, as the notation writes them: `64` or `64-32`.

use flow_notation::Text;

/// Most hidden layers that a text of 16 characters can name.
pub(crate) const MOST_HIDDEN: usize = 8;

/// Widths of the hidden layers of a network inside a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HiddenDims {
    pub(crate) widths: [usize; MOST_HIDDEN],
    pub(crate) layers: usize,
}

impl HiddenDims {
    /// From a text such as `64` or `64-32`; the empty text is no hidden layer.
    pub const fn new(text: Text) -> HiddenDims {
        let mut dims = HiddenDims { widths: [0; MOST_HIDDEN], layers: 0 };
        let (mut i, length) = (0, text.len());
        while i < length {
            let mut width = 0;
            while i < length && text.at(i) != b'-' {
                let digit = text.at(i);
                assert!(digit.is_ascii_digit(), "hidden widths are a list such as 64 or 64-32");
                width = 10 * width + (digit - b'0') as usize;
                i += 1;
            }
            assert!(width > 0 && i + 1 != length, "hidden widths are a list such as 64 or 64-32");
            dims.widths[dims.layers] = width;
            dims.layers += 1;
            i += 1;
        }
        dims
    }

    /// The widths of a network (in, h_1, .., h_k, out), and how many numbers these are.
    pub(crate) const fn network(self, inputs: usize, outputs: usize) -> ([usize; MOST_HIDDEN + 2], usize) {
        let (mut widths, mut i) = ([inputs; MOST_HIDDEN + 2], 0);
        while i < self.layers {
            widths[i + 1] = self.widths[i];
            i += 1;
        }
        widths[i + 1] = outputs;
        (widths, i + 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let dims = HiddenDims::new(Text::new("64-32-7"));
        let (widths, count) = dims.network(2, 5);
        assert_eq!(&widths[..count], &[2, 64, 32, 7, 5]);
        assert_eq!(HiddenDims::new(Text::new("")).network(2, 5).1, 2);
    }
}
