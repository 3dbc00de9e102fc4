using AiFabric.Engine.Models;
using Xunit;

namespace AiFabric.Engine.Tests.Models;

public sealed unsafe class WeightMemoryTests
{
    [Fact]
    public void What_is_asked_for_in_turn_lies_in_turn_on_cache_lines()
    {
        using var memory = new WeightMemory();
        byte* first = (byte*)memory.Take(100), second = (byte*)memory.Take(64), third = (byte*)memory.Take(1);
        Assert.Equal(0, (nint)first % 64);
        Assert.Equal(128, second - first);
        Assert.Equal(64, third - second);
    }

    [Theory]
    [InlineData(65 << 20)]
    [InlineData(64 << 20)]
    [InlineData((64 << 20) - 1)]
    public void Memory_of_any_size_can_be_written_to_its_end_beside_other_memory(long bytes)
    {
        using var memory = new WeightMemory();
        byte* small = (byte*)memory.Take(1), large = (byte*)memory.Take(bytes), last = (byte*)memory.Take(1);
        (*small, large[0], large[bytes - 1], *last) = (1, 2, 3, 4);
        Assert.Equal((1, 2, 3, 4), (*small, large[0], large[bytes - 1], *last));
    }
}
