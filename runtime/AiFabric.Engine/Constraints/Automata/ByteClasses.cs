namespace AiFabric.Engine.Constraints.Automata;

/// <summary>Bytes that no edge of a grammar tells apart, so that tables have a column for each class and not for each byte.</summary>
internal sealed class ByteClasses
{
    private readonly byte[] classOf = new byte[256];
    private readonly List<byte> samples = [];

    public ByteClasses(IEnumerable<NfaEdge> edges)
    {
        var begins = new bool[257];
        begins[0] = true;
        foreach (var edge in edges)
        {
            if (edge.IsBytes)
                begins[edge.First] = begins[edge.Last + 1] = true;
        }
        for (int b = 0; b < 256; b++)
        {
            if (begins[b])
                samples.Add((byte)b);
            classOf[b] = (byte)(samples.Count - 1);
        }
    }

    public int Count => samples.Count;

    public ReadOnlySpan<byte> ClassOf => classOf;

    /// <summary>One byte of a class.</summary>
    public byte SampleOf(int letter) => samples[letter];
}
