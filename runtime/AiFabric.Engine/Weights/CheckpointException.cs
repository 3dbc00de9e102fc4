namespace AiFabric.Engine.Weights;

/// <summary>A model or adapter folder cannot be used: missing, damaged or of an unsupported kind. The message names file, part and cause.</summary>
public sealed class CheckpointException : Exception
{
    public CheckpointException(string message)
        : base(message)
    {
    }

    public CheckpointException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
