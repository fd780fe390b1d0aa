import Files

/// An error of a checkpoint, a weights file or a run directory, in one sentence.
public typealias CheckpointError = FileError
