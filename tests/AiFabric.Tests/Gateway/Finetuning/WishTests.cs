using AiFabric.Gateway;
using AiFabric.Gateway.Finetuning.Orders;
using Microsoft.Extensions.Options;
using Xunit;

namespace AiFabric.Tests.Gateway.Finetuning;

public sealed class WishTests : IDisposable
{
    private static readonly Order Order = SampleOrder.Value;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("aifabric-wishes-");

    private OrderStore Store => new(Options.Create(new GatewayOptions { FilesFolder = _folder.FullName }));

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Each_call_counts_though_it_says_the_same_again()
    {
        Store.SetWish(Order, Store.WishFor(Order).Pausing(false));
        Store.SetWish(Order, Store.WishFor(Order).Pausing(true));
        Store.SetWish(Order, Store.WishFor(Order) with { CancelledAt = 5 });
        Store.SetWish(Order, Store.WishFor(Order).Pausing(true));
        Assert.Equal(new Wish(Paused: true, CancelledAt: 5, PauseCalls: 3), Store.WishFor(Order));
    }

    [Fact]
    public void A_wish_that_an_earlier_version_wrote_is_read()
    {
        string folder = Directory.CreateDirectory(Path.Combine(_folder.FullName, "jobs", Order.Id)).FullName;
        File.WriteAllText(Path.Combine(folder, "wish.json"), """{"Paused":true}""");
        Assert.Equal(new Wish(Paused: true), Store.WishFor(Order));
    }
}
