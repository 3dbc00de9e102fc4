using System.Security.Cryptography;
using AiFabric.Engine.Weights;
using Xunit;

namespace AiFabric.Engine.Tests.Weights;

public sealed class CheckpointDigestTests
{
    [Fact]
    public void A_read_that_failed_is_tried_again_by_whoever_asks_next()
    {
        using MemoryStream sound = new([1, 2, 3]), shaky = new ShakyStream([4, 5]);
        var digest = new CheckpointDigest([sound, shaky]);

        Assert.Throws<IOException>(() => digest.Read());
        Assert.False(digest.IsKnown);

        Assert.Equal("sha256:" + Convert.ToHexStringLower(SHA256.HashData([1, 2, 3, 4, 5])), digest.Read());
        Assert.True(digest.IsKnown);
        Assert.Equal((false, false), (sound.CanRead, shaky.CanRead));
        Assert.Equal(digest.Read(), digest.Read());
    }

    /// <summary>Its second read fails, after a part of it came; the others do not.</summary>
    private sealed class ShakyStream(byte[] content) : MemoryStream(content)
    {
        private int reads;

        public override int Read(byte[] buffer, int offset, int count) =>
            ++reads == 2 ? throw new IOException("the disk is away") : base.Read(buffer, offset, count);
    }
}
