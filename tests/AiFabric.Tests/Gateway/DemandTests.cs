using AiFabric.Gateway.Demand;
using AiFabric.Gateway.Routing;
using AiFabric.Protocol.Gateway;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace AiFabric.Tests.Gateway;

public sealed class DemandTests
{
    private static readonly ModelKey Demo = new("team", "demo");

    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void The_average_approaches_a_load_that_stays_by_63_percent_in_five_seconds()
    {
        var meter = new DemandMeter(_time);
        for (int i = 0; i < 10; i++)
            meter.Begin();
        Assert.Equal((10, 0), (meter.Read().Requests, meter.Read().Average));
        _time.Advance(DemandMeter.Constant);
        Assert.Equal(10 * (1 - Math.Exp(-1)), meter.Read().Average, 9);
        _time.Advance(20 * DemandMeter.Constant);
        Assert.Equal(10, meter.Read().Average, 6);
    }

    [Fact]
    public void The_average_does_not_depend_on_how_often_it_is_read()
    {
        DemandMeter once = new(_time), often = new(_time);
        once.Begin();
        often.Begin();
        for (int i = 0; i < 100; i++)
        {
            _time.Advance(TimeSpan.FromMilliseconds(70));
            often.Read();
        }

        Assert.Equal(once.Read().Average, often.Read().Average, 9);
    }

    [Fact]
    public void A_burst_of_short_requests_hardly_counts()
    {
        var meter = new DemandMeter(_time);
        for (int i = 0; i < 50; i++)
            meter.Begin();
        _time.Advance(TimeSpan.FromMilliseconds(100));
        for (int i = 0; i < 50; i++)
            meter.End();
        Assert.Equal(0, meter.Read().Requests);
        Assert.InRange(meter.Read().Average, 0.5, 1);
    }

    [Fact]
    public void A_model_is_idle_from_the_end_of_its_last_request()
    {
        var meter = new DemandMeter(_time);
        Assert.Null(meter.Read().Idle);
        meter.Begin();
        meter.Begin();
        _time.Advance(TimeSpan.FromSeconds(3));
        meter.End();
        _time.Advance(TimeSpan.FromSeconds(3));
        Assert.Equal(TimeSpan.Zero, meter.Read().Idle);
        meter.End();
        _time.Advance(TimeSpan.FromSeconds(7));
        Assert.Equal(TimeSpan.FromSeconds(7), meter.Read().Idle);
    }

    [Fact]
    public void A_request_counts_once_however_often_its_count_is_ended()
    {
        var book = new DemandBook(_time);
        IDisposable first = book.Count(Demo);
        using IDisposable second = book.Count(Demo);
        first.Dispose();
        first.Dispose();
        Assert.Equal(1, Assert.Single(book.Report().Models).Requests);
    }

    [Fact]
    public void Models_that_are_gone_are_forgotten_once_their_requests_have_ended()
    {
        var book = new DemandBook(_time);
        IDisposable last = book.Count(Demo);
        book.Keep([]);
        ModelDemand demand = Assert.Single(book.Report().Models);
        Assert.Equal(("team", "demo", 1), (demand.Namespace, demand.Model, demand.Requests));
        last.Dispose();
        book.Keep([Demo]);
        Assert.Single(book.Report().Models);
        book.Keep([]);
        Assert.Empty(book.Report().Models);
    }
}
