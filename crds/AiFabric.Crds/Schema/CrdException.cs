namespace AiFabric.Crds.Schema;

/// <summary>A C# type cannot be said as a structural schema. The message names the property and the fix.</summary>
public sealed class CrdException : Exception
{
    public CrdException()
    {
    }

    public CrdException(string message)
        : base(message)
    {
    }

    public CrdException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
