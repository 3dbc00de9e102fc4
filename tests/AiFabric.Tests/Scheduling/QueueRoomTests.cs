using AiFabric.Engine.Scheduling;
using Xunit;

namespace AiFabric.Tests.Scheduling;

public sealed class QueueRoomTests
{
    private readonly QueueRoom room = new(12);

    [Fact]
    public void A_tenants_flood_leaves_room_for_others()
    {
        Assert.Equal(6, Enter("flood"));
        Assert.Equal(3, Enter("second"));
        Assert.Equal(2, Enter("third"));
        Assert.Equal(1, Enter(null));
        Assert.Equal(0, Enter("fourth"));
    }

    [Fact]
    public void Two_tenants_that_take_turns_get_equal_parts()
    {
        int[] places = new int[2];
        for (int i = 0; i < 40; i++)
            places[i % 2] += room.TryEnter($"t{i % 2}") ? 1 : 0;
        Assert.Equal([4, 4], places);
    }

    [Fact]
    public void Without_tenants_all_places_are_taken_and_come_back()
    {
        for (int round = 0; round < 3; round++)
        {
            Assert.Equal(12, Enter(null));
            for (int i = 0; i < 12; i++)
                room.Leave(null);
        }
        Assert.Equal(6, Enter("a"));
    }

    [Fact]
    public void One_place_serves_one()
    {
        var single = new QueueRoom(1);
        Assert.True(single.TryEnter("a"));
        Assert.False(single.TryEnter("b"));
        single.Leave("a");
        Assert.True(single.TryEnter("b"));
    }

    private int Enter(string? tenant)
    {
        int entered = 0;
        while (room.TryEnter(tenant))
            entered++;
        return entered;
    }
}
