//! What the multi-pack index says of its packs: how many objects it leads to in each.

use crate::fs::midx::open_midx;
use crate::maintenance::MaintenanceError;
use git_core_idx::SharedBytes;
use git_core_idx::midx::{MidxFile, MidxPosition};
use git_core_object::{Context, ObjectFormat};
use std::path::{Path, PathBuf};

/// A multi-pack index, and what it says of its packs.
pub(super) struct Listed {
    pub(super) midx: MidxFile<SharedBytes>,
    /// By the numbers of the index.
    pub(super) packs: Vec<ListedPack>,
}

/// A pack that the index names, whether it is there or not.
pub(super) struct ListedPack {
    /// The pack.
    pub(super) path: PathBuf,
    /// How many objects the index finds in it.
    pub(super) referenced: u32,
}

impl ListedPack {
    /// Whether a file of this extension lies beside it.
    pub(super) fn has(&self, extension: &str) -> bool {
        self.path.with_extension(extension).exists()
    }
}

impl Listed {
    /// Reads the multi-pack index of a directory; `None` where there is none.
    ///
    /// # Errors
    /// [`MaintenanceError::Invalid`] with the words of `refusal` for a chain of several files, others when the index
    /// cannot be read.
    pub(super) fn read(
        dir: &Path,
        format: ObjectFormat,
        refusal: &str,
        cx: &Context,
    ) -> Result<Option<Self>, MaintenanceError> {
        let mut files = open_midx(dir, format)?;
        let Some((path, midx)) = files.pop() else { return Ok(None) };
        // A chain of one file is as good as a single file.
        if !files.is_empty() {
            return Err(MaintenanceError::Invalid(refusal.to_owned()));
        }
        let mut packs: Vec<ListedPack> = midx
            .pack_names()
            .map(|name| ListedPack { path: dir.join(name).with_extension("pack"), referenced: 0 })
            .collect();
        for position in (0..midx.count()).map(MidxPosition) {
            if position.0 % 4096 == 0 {
                cx.check()?;
            }
            let found = midx
                .location_at(position)
                .map_err(|source| crate::fs::midx::MidxFileError::Midx { path: path.clone(), source })?;
            packs[found.pack.0 as usize].referenced += 1;
        }
        Ok(Some(Listed { midx, packs }))
    }
}
