//! Between the bits of a bitmap and the rows of the index it belongs to.

use super::BitmapError;

/// The order in which a bitmap counts objects: that of a pack, or of the pseudo-pack of a multi-pack index.
/// Eight bytes per object.
#[derive(Clone, Debug)]
pub struct BitOrder {
    rows: Box<[u32]>,
    bits: Box<[u32]>,
}

impl BitOrder {
    /// Takes the rows of the index in the order of the bits: what a `.rev` file says, or the `RIDX` chunk.
    ///
    /// # Errors
    /// [`BitmapError::Order`] when a row comes twice or not at all.
    pub fn new(rows: Vec<u32>) -> Result<Self, BitmapError> {
        const UNSET: u32 = u32::MAX;
        let mut bits = vec![UNSET; rows.len()].into_boxed_slice();
        for (bit, row) in (0u32..).zip(&rows) {
            match bits.get_mut(*row as usize) {
                Some(place) if *place == UNSET => *place = bit,
                _ => return Err(BitmapError::Order { row: *row }),
            }
        }
        Ok(BitOrder { rows: rows.into_boxed_slice(), bits })
    }

    /// The number of objects.
    pub fn count(&self) -> u32 {
        self.rows.len() as u32
    }

    /// The row of a bit.
    ///
    /// # Panics
    /// When the bit is not below [`count`](Self::count).
    pub fn row(&self, bit: u32) -> u32 {
        self.rows[bit as usize]
    }

    /// The bit of a row.
    ///
    /// # Panics
    /// When the row is not below [`count`](Self::count).
    pub fn bit(&self, row: u32) -> u32 {
        self.bits[row as usize]
    }

    /// All rows, in the order of the bits.
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }
}
