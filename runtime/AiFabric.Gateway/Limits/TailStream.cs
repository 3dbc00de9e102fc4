namespace AiFabric.Gateway.Limits;

/// <summary>Passes on what is written, and remembers the end of it: answers say last what they used.</summary>
internal sealed class TailStream(Stream inner) : Stream
{
    private const int Kept = 2_048;

    private readonly byte[] _tail = new byte[Kept];
    private int _length;

    public ReadOnlySpan<byte> Tail => _tail.AsSpan(0, _length);

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Keep(buffer.Span);
        return inner.WriteAsync(buffer, cancellationToken);
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

    public override void Flush() => inner.Flush();

    public override void Write(byte[] buffer, int offset, int count)
    {
        Keep(buffer.AsSpan(offset, count));
        inner.Write(buffer, offset, count);
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    private void Keep(ReadOnlySpan<byte> written)
    {
        ReadOnlySpan<byte> last = written[Math.Max(0, written.Length - Kept)..];
        int stays = Math.Min(_length, Kept - last.Length);
        _tail.AsSpan(_length - stays, stays).CopyTo(_tail);
        last.CopyTo(_tail.AsSpan(stays));
        _length = stays + last.Length;
    }
}
