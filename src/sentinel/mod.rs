//! Floor 5: a whole Sentinel. To come.
