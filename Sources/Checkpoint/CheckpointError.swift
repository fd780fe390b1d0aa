import Files

/// What went wrong with a checkpoint, a weights file or a run directory, in one sentence.
public typealias CheckpointError = FileError
