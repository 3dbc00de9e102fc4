using System.Collections.Immutable;
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace AiFabric.Engine.Weights.Gguf;

/// <summary>The tensors of one GGUF file under Hugging Face's names and in Hugging Face's order of rows.</summary>
internal sealed class GgufCheckpoint : ICheckpoint
{
    private readonly GgufFile file;
    private readonly GgufFamily family;
    private readonly HashSet<string> found = new(StringComparer.Ordinal);

    /// <exception cref="CheckpointException">The file cannot be used; the message says why.</exception>
    public GgufCheckpoint(string path)
    {
        file = GgufFile.Open(path);
        try
        {
            family = GgufFamily.Of(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
        Files = [path];
    }

    public IReadOnlyList<string> Files { get; }

    public StoredTensor? Find(string name)
    {
        if (family.NameOf(name) is not { } own || !file.Tensors.TryGetValue(own, out var entry))
            return null;
        found.Add(own);
        return new Entry(file, entry, family.TurnedHeads(file, entry), family.Surplus(entry));
    }

    /// <summary>Whatever a converter has put into the file belongs to the model: a bias that is left out would go unnoticed.</summary>
    public void RequireComplete()
    {
        if (file.Tensors.Keys.FirstOrDefault(name => !found.Contains(name) && name != GgufRope.Divisors) is { } left)
            throw new CheckpointException($"{file.Path}: tensor '{left}' takes no part in what this engine computes for a model of this architecture.");
    }

    public void Dispose() => file.Dispose();

    private sealed class Entry(GgufFile file, GgufEntry entry, int turnedHeads, float surplus) : StoredTensor
    {
        private readonly int rowBytes = checked((int)((entry.Shape.IsEmpty ? 1 : entry.Shape[^1]) / entry.Format.BlockElements * entry.Format.BlockBytes));

        public override string Place => $"{file.Path}: tensor '{entry.Name}'";

        public override ImmutableArray<long> Shape => entry.Shape;

        public override ScalarType Type => entry.Format.Type;

        public override void Release() => file.Release(entry);

        protected override void CopyRows(long first, Span<byte> to)
        {
            int wide = checked((int)Columns * ElementBytes);
            for (long row = first; !to.IsEmpty; row++, to = to[wide..])
            {
                if (entry.Format.Restore is { } restore)
                    restore(Row(row), MemoryMarshal.Cast<byte, float>(to[..wide]));
                else
                    Row(row).CopyTo(to);
                if (surplus != 0 || (turnedHeads != 0 && IsVector))
                    Change(MemoryMarshal.Cast<byte, float>(to[..wide]));
            }
        }

        // What a vector of a norm or bias needs besides being read.
        private void Change(Span<float> row)
        {
            if (Type != ScalarType.Float32)
                throw new CheckpointException($"{Place} is stored as {entry.Format.Name}; norms and biases of this architecture must be F32.");
            if (surplus != 0)
            {
                foreach (ref float number in row)
                    number -= surplus;
            }
            if (turnedHeads != 0)
            {
                float[] stored = row.ToArray();
                for (int i = 0; i < row.Length; i++)
                    row[i] = stored[Stored(i, row.Length)];
            }
        }

        protected override ReadOnlySpan<byte> StoredQ8Blocks(long row) => entry.Format.IsQ8 ? Row(row) : [];

        private bool IsVector => entry.Shape.Length == 1;

        private ReadOnlySpan<byte> Row(long row) => file.Bytes(entry, (IsVector ? row : Stored(row, Rows)) * rowBytes, rowBytes);

        // llama.cpp turns neighbours (2i, 2i + 1) of a head, Hugging Face the pairs (i, i + headDim / 2).
        private long Stored(long row, long rows)
        {
            if (turnedHeads == 0)
                return row;
            long size = rows / turnedHeads, inHead = row % size, half = size / 2;
            return row - inHead + (2 * (inHead % half)) + (inHead / half);
        }
    }
}
